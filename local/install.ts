// Installs what the project runs on, without starting anything: npm run setup.
import { RoslinError } from '../core/errors.ts'
import { ensureDemoModel } from './demo-model.ts'
import { ensurePython } from './python.ts'

try {
  await ensurePython()
  await ensureDemoModel()
} catch (error) {
  if (!(error instanceof RoslinError)) throw error
  process.stderr.write(`${error.code}: ${error.message}\n${error.nextStep}\n`)
  process.exit(1)
}
