import { readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'
import { type ErrorCode, RoslinError } from '../core/errors.ts'

/**
 * What a YAML file holds.
 * @throws RoslinError `code`, for a file that is not there or is no YAML.
 */
export function readYaml(file: string, code: ErrorCode, nextStep = 'Give the path of a YAML file.'): unknown {
  const document = parseDocument(readText(file, code, nextStep))
  const issues = document.errors.map(({ message, linePos }) => ({
    path: `line ${linePos?.[0].line ?? '?'}`,
    message: message.split('\n')[0] ?? message,
  }))
  if (issues.length > 0)
    throw new RoslinError(code, `${file} is no valid YAML.`, 'Mend the lines named.', issues)
  try {
    return document.toJS()
  } catch (error) {
    // An alias is looked up only here.
    throw new RoslinError(code, `${file} is no valid YAML: ${messageOf(error)}.`, 'Mend what is named.')
  }
}

function readText(file: string, code: ErrorCode, nextStep: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new RoslinError(code, `The file ${file} cannot be read: ${messageOf(error)}.`, nextStep)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
