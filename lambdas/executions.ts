import {
  DescribeExecutionCommand,
  ExecutionAlreadyExists,
  ExecutionDoesNotExist,
  type ExecutionStatus,
  SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn'
import { executionName } from '../core/run.ts'
import type { Run } from '../core/store/run-store.ts'
import { variable } from './environment.ts'

const stepFunctions = new SFNClient({})

type Executed = Pick<Run, 'runId' | 'execution'>

/** Its name is the run's: started twice, there is one. */
export async function startExecution({ runId, execution }: Executed): Promise<void> {
  await stepFunctions
    .send(
      new StartExecutionCommand({
        stateMachineArn: variable('STATE_MACHINE_ALIAS_ARN'),
        name: executionName(runId, execution),
        input: JSON.stringify({ runId, execution }),
      }),
    )
    .catch((error) => {
      if (!(error instanceof ExecutionAlreadyExists)) throw error
    })
}

/** Ends the execution; Step Functions ends the job that it waits for. */
export async function stopExecution(run: Executed, cause: string): Promise<void> {
  await stepFunctions
    .send(new StopExecutionCommand({ executionArn: executionArn(run), cause }))
    .catch((error) => {
      if (!(error instanceof ExecutionDoesNotExist)) throw error
    })
}

/** Undefined where there is none: it was never started, or is forgotten after 90 days. */
export async function executionStatus(run: Executed): Promise<ExecutionStatus | undefined> {
  try {
    const { status } = await stepFunctions.send(
      new DescribeExecutionCommand({ executionArn: executionArn(run) }),
    )
    return status
  } catch (error) {
    if (error instanceof ExecutionDoesNotExist) return undefined
    throw error
  }
}

/** An execution that was started through an alias is one of the state machine. */
function executionArn({ runId, execution }: Executed): string {
  const machine = variable('STATE_MACHINE_ALIAS_ARN').replace(/:[^:]+$/, '')
  return `${machine.replace(':stateMachine:', ':execution:')}:${executionName(runId, execution)}`
}
