import type { Context, Hono } from 'hono'
import type { z } from 'zod'
import type { Route } from '../../core/api/route.ts'
import { ROUTES, type Routes } from '../../core/api/routes.ts'
import type { StartedBy } from '../../core/started-by.ts'
import type { RequestIdentity } from '../../core/store/request-store.ts'
import { caller } from './caller.ts'
import { identify, once } from './idempotency.ts'
import { parse, parseBody } from './input.ts'

interface Given<R extends Route> {
  readonly params: z.output<R['params']>
  readonly query: z.output<R['query']>
  readonly body: z.output<NonNullable<R['body']>>
  /** The same for a request that is sent again. */
  readonly request: RequestIdentity
  readonly caller: StartedBy
}

type Handler<R extends Route> = (given: Given<R>) => Promise<z.input<R['answer']>> | z.input<R['answer']>

/** What a file of handlers gives: each checked against its route. */
export type Handlers<Name extends keyof Routes = keyof Routes> = {
  readonly [N in Name]: Handler<Routes[N]>
}

/** Serves every route: what comes in is checked by the route's own schemas, and a POST is answered once. */
export function serve(app: Hono, handlers: Handlers): void {
  for (const [name, route] of Object.entries<Route>(ROUTES)) {
    const handler = handlers[name as keyof Routes] as unknown as Handler<Route>
    const answer = async (context: Context, request: RequestIdentity) => {
      const given = {
        params: parse(route.params, context.req.param(), 'The path has parameters that cannot be used.'),
        query: parse(route.query, context.req.query(), 'The query has parameters that cannot be used.'),
        body: route.body && (await parseBody(route.body, context)),
        request,
        caller: caller(context),
      }
      const answered = await handler(given)
      return route.status === 204
        ? new Response(null, { status: 204 })
        : Response.json(answered, { status: route.status })
    }
    app.on(route.method, route.path.replaceAll(/\{(\w+)\}/g, ':$1'), (context) =>
      route.method === 'post'
        ? once(context, (request) => answer(context, request))
        : answer(context, identify()),
    )
  }
}
