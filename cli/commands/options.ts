import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Flags } from '../settings.ts'

/** Flags of every command that speaks to a deployment. */
export type DeploymentOptions = Flags & { readonly json?: boolean }

/** A command that speaks to a team's deployment. */
export function deploymentCommand(parent: Command, name: string): Command {
  return parent
    .command(name)
    .addOption(teamOption())
    .addOption(profileOption())
    .addOption(regionOption('where the team is deployed'))
    .addOption(jsonOption())
}

// Their defaults come from the environment and from files too: settings.ts.
export const teamOption = () => new Option('--team <name>', 'whose deployment; default: the embedded one')

export const profileOption = () =>
  new Option('--profile <name>', "a profile of the AWS configuration, SSO's included")

export const jsonOption = () => new Option('--json', 'print one JSON document')

export const portOption = () =>
  new Option('--port <number>', 'the port of the embedded AWS; default: 4747').argParser((text) =>
    wholeNumber(text, 1024, 65535),
  )

export const jobSlotsOption = () =>
  new Option('--job-slots <number>', 'how many jobs run at once on this machine')
    .default(1)
    .argParser((text) => wholeNumber(text, 1, 64))

export const trainerOption = () =>
  new Option('--trainer <command>', "a command to run in place of the trainer's image, on this machine")

export function wholeNumber(text: string, least: number, most: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`)
}

export function positive(text: string): number {
  const value = Number(text)
  if (Number.isFinite(value) && value > 0) return value
  throw new InvalidArgumentError('It must be a number above 0.')
}

const REGION = /^[a-z]{2}(-[a-z]+)+-\d$/

export const regionOption = (description: string) =>
  new Option('--region <region>', `${description}, such as eu-west-1`).argParser((text) => {
    if (REGION.test(text)) return text
    throw new InvalidArgumentError('It must be an AWS region, such as us-east-1.')
  })
