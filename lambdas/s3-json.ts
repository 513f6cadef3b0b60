import { GetObjectCommand, NoSuchKey, PutObjectCommand } from '@aws-sdk/client-s3'
import type { z } from 'zod'
import { type Plan, parsePlan } from '../core/plan.ts'
import { parseS3Uri } from '../core/storage-layout.ts'
import { s3 } from './clients.ts'

/** The object at the URI, or undefined where there is none. */
export async function readJson<T>(uri: string, schema: Pick<z.ZodType<T>, 'parse'>): Promise<T | undefined> {
  try {
    const { Body } = await s3.send(new GetObjectCommand(location(uri)))
    return schema.parse(JSON.parse((await Body?.transformToString()) ?? ''))
  } catch (error) {
    if (error instanceof NoSuchKey) return undefined
    throw error
  }
}

/** @throws RoslinError SCHEMA_TOO_NEW */
export function readPlan(uri: string): Promise<Plan | undefined> {
  return readJson(uri, { parse: parsePlan })
}

export async function writeJson(uri: string, value: unknown): Promise<void> {
  const Body = JSON.stringify(value, null, 2)
  await s3.send(new PutObjectCommand({ ...location(uri), Body, ContentType: 'application/json' }))
}

function location(uri: string): { Bucket: string; Key: string } {
  const parsed = parseS3Uri(uri)
  if (!parsed) throw new Error(`not an s3:// URI: ${uri}`)
  return { Bucket: parsed.bucket, Key: parsed.key }
}
