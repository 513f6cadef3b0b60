import type { DeploymentOptions } from '../commands/options.ts'
import { show } from './show.ts'

type SendOptions = DeploymentOptions & { readonly detail: Record<string, unknown> }

export const sendEvent = (source: string, options: SendOptions) =>
  show(
    options,
    (client) => client.sendEvent(source, options.detail),
    ({ eventId, recipes }) => `event ${eventId} starts ${recipes.join(', ')}`,
  )
