import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { S3Client } from '@aws-sdk/client-s3'
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb'
import { DatasetStore } from '../core/store/dataset-store.ts'
import { FiringStore } from '../core/store/firing-store.ts'
import { Ledger } from '../core/store/ledger.ts'
import { ModelStore } from '../core/store/model-store.ts'
import { RequestStore } from '../core/store/request-store.ts'
import { RunLists } from '../core/store/run-lists.ts'
import { RunStore } from '../core/store/run-store.ts'
import { openTable } from '../core/store/table.ts'
import { ThroughputStore } from '../core/store/throughput-store.ts'
import { variable } from './environment.ts'

/** A bucket's name is no host name at an endpoint given by address: there, S3 is asked by path. */
export const s3 = new S3Client({ forcePathStyle: process.env.AWS_ENDPOINT_URL !== undefined })

const table = openTable(DynamoDBDocumentClient.from(new DynamoDBClient({})), variable('TABLE_NAME'))

export const runs = new RunStore(table)
export const runLists = new RunLists(table)
export const requests = new RequestStore(table)
export const ledger = new Ledger(table)
export const models = new ModelStore(table)
export const throughputs = new ThroughputStore(table)
export const firings = new FiringStore(table, variable('TEAM'))
export const datasets = new DatasetStore(table, variable('TEAM'))
