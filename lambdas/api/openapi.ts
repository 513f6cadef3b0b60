import { z } from 'zod'
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiResponsesObject } from 'zod-openapi'
import { COMMON_ERRORS, IDEMPOTENCY_ERRORS, idempotencyKeySchema, type Route } from '../../core/api/route.ts'
import { ROUTES } from '../../core/api/routes.ts'
import { ERROR_STATUS, type ErrorCode } from '../../core/errors.ts'
import { problemSchema } from '../../core/problem-schema.ts'
import { recipeSchema } from '../../core/recipe.ts'

/** The API in OpenAPI 3.1, from the same routes and schemas that requests are checked with. */
export function openApiDocument(): ReturnType<typeof createDocument> {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {}
  for (const [operationId, route] of Object.entries<Route>(ROUTES)) {
    paths[route.path] = { ...paths[route.path], [route.method]: operation(operationId, route) }
  }
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Roslin',
      version: '1',
      description:
        "Fine-tunes open language models in a team's own AWS account. Every request is signed with SigV4, for the service `execute-api`.",
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: "The output ApiUrl of the team's stack" }],
    security: [{ sigv4: [] }],
    tags: [...new Set(Object.values(ROUTES).map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: { Recipe: recipeSchema },
      securitySchemes: {
        sigv4: {
          type: 'apiKey',
          in: 'header',
          name: 'Authorization',
          description: 'AWS Signature Version 4',
          'x-amazon-apigateway-authtype': 'awsSigv4',
        },
      },
    },
  })
}

function operation(operationId: string, route: Route): ZodOpenApiOperationObject {
  const isPost = route.method === 'post'
  const errors = [...COMMON_ERRORS, ...route.errors, ...(isPost ? IDEMPOTENCY_ERRORS : [])]
  return {
    operationId,
    summary: route.summary,
    tags: [route.tag],
    requestParams: {
      ...(hasFields(route.params) && { path: route.params }),
      ...(hasFields(route.query) && { query: route.query }),
      ...(isPost && { header: z.object({ 'Idempotency-Key': idempotencyKeySchema.optional() }) }),
    },
    ...(route.body && {
      requestBody: { required: true, content: { 'application/json': { schema: described(route.body) } } },
    }),
    responses: {
      [route.status]: {
        description: 'As asked',
        ...(route.status !== 204 && { content: { 'application/json': { schema: route.answer } } }),
      },
      ...problems(errors),
    },
  }
}

/** A recipe is checked by itself, with a recipe's errors; it is described where it stands. */
function described(body: z.ZodType): z.ZodType {
  return body instanceof z.ZodObject && 'recipe' in body.shape ? body.extend({ recipe: recipeSchema }) : body
}

function hasFields({ shape }: z.ZodObject): boolean {
  return Object.keys(shape).length > 0
}

/** One answer a status, with the codes it may have. 403 is API Gateway's own. */
function problems(codes: readonly ErrorCode[]): ZodOpenApiResponsesObject {
  const byStatus = Map.groupBy(codes, (code) => ERROR_STATUS[code])
  return {
    403: { description: 'The request is not signed, or its signer may not call the API' },
    ...Object.fromEntries(
      [...byStatus].map(([status, ofStatus]) => [
        String(status),
        {
          description: ofStatus.map((code) => `\`${code}\``).join(', '),
          content: { 'application/problem+json': { schema: problemSchema } },
        },
      ]),
    ),
  }
}
