import { App } from 'aws-cdk-lib'
import { addLargerFlow } from './larger-flow.ts'

const app = new App()
addLargerFlow(app)
app.synth()
