import type { RoslinError } from '../core/errors.ts'

/** Data goes to stdout: one JSON document, or lines for people. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2))
}

/** What is said about the work, not its result, goes to stderr. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** The error for people on stderr; with `json`, the same problem body that the API answers with on stdout. */
export function printError(error: RoslinError, json: boolean): void {
  if (json) {
    printJson(error.toProblem())
    return
  }
  say(`${error.code}: ${error.message}`)
  for (const { path, message } of error.issues) say(`  ${path}: ${message}`)
  say(error.nextStep)
}
