import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { lookUpPrices } from '../../cli/aws-prices.ts'
import { INSTANCE_TYPE_NAMES } from '../../core/instance-types.ts'
import { type PriceTable, priceTableSchema } from '../../core/prices.ts'
import { root } from '../support/checked-in.ts'
import { neighbours, product } from '../support/price-list.ts'
import { startRoslin } from '../support/spawned.ts'
import { rejectionOf } from '../support/thrown.ts'

type Answer = readonly [status: number, contentType: string, body: string]
interface Filter {
  readonly Type: string
  readonly Field: string
  readonly Value: string
}
interface GetProducts {
  readonly ServiceCode: string
  readonly Filters: readonly Filter[]
  readonly NextToken?: string
}

const json = (body: unknown, status = 200): Answer => [
  status,
  'application/x-amz-json-1.1',
  JSON.stringify(body),
]

/** What EC2 answers, in its XML. */
function spotPage(
  prices: readonly (readonly [type: string, zone: string, price: string])[],
  next: string,
): Answer {
  const items = prices.map(
    ([type, zone, price]) =>
      `<item><instanceType>${type}</instanceType><productDescription>Linux/UNIX</productDescription><spotPrice>${price}</spotPrice><timestamp>2026-11-24T09:00:00.000Z</timestamp><availabilityZone>${zone}</availabilityZone></item>`,
  )
  return [
    200,
    'text/xml;charset=UTF-8',
    `<?xml version="1.0" encoding="UTF-8"?><DescribeSpotPriceHistoryResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><spotPriceHistorySet>${items.join('')}</spotPriceHistorySet><nextToken>${next}</nextToken></DescribeSpotPriceHistoryResponse>`,
  ]
}

/** The Price List API and EC2, as far as they are asked here, in the forms of their documentation. */
const asked: { products: GetProducts[]; spot: URLSearchParams[]; scopes: string[] } = {
  products: [],
  spot: [],
  scopes: [],
}
let answerProducts: (request: GetProducts) => Answer
let answerSpot: (request: URLSearchParams) => Answer

const typeOf = ({ Filters }: GetProducts) =>
  Filters.find(({ Field }) => Field === 'instanceType')?.Value ?? ''

/** m7i.large has a page of neighbours before its own, g5.xlarge is not offered, all else costs $24.15. */
function products(request: GetProducts): Answer {
  const type = typeOf(request)
  if (type === 'g5.xlarge') return json({ FormatVersion: 'aws_v1', PriceList: [] })
  if (type === 'm7i.large' && request.NextToken === undefined)
    return json({ FormatVersion: 'aws_v1', PriceList: neighbours(type), NextToken: 'second+page==' })
  const usd = type === 'm7i.large' ? '0.1071000000' : '24.1500000000'
  return json({ FormatVersion: 'aws_v1', PriceList: [product(type, usd)] })
}

function spot(request: URLSearchParams): Answer {
  return request.get('NextToken') === 'more'
    ? spotPage([['p4d.24xlarge', 'eu-west-1b', '11.000000']], '')
    : spotPage([['p4d.24xlarge', 'eu-west-1a', '9.000000']], 'more')
}

const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
  let body = ''
  for await (const chunk of request) body += chunk
  asked.scopes.push(
    /Credential=[^/]+\/\d+\/([^/]+\/[^/]+)\//.exec(request.headers.authorization ?? '')?.[1] ?? '',
  )
  const target = request.headers['x-amz-target']
  let answer: Answer
  if (target === 'AWSPriceListService.GetProducts') {
    asked.products.push(JSON.parse(body))
    answer = answerProducts(JSON.parse(body))
  } else {
    asked.spot.push(new URLSearchParams(body))
    answer = answerSpot(new URLSearchParams(body))
  }
  const [status, contentType, text] = answer
  response.writeHead(status, { 'content-type': contentType }).end(text)
})

let endpoint: string
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server.close())

beforeEach(() => {
  Object.assign(asked, { products: [], spot: [], scopes: [] })
  answerProducts = products
  answerSpot = spot
})

const awsEnvironment = () => ({
  AWS_ENDPOINT_URL: endpoint,
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_REGION: 'sa-east-1',
})
const now = new Date()
const checkedOn = now.toISOString().slice(0, 10)

describe('looking prices up', () => {
  beforeEach(() => {
    for (const [name, value] of Object.entries(awsEnvironment())) vi.stubEnv(name, value)
  })
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  const lookUp = () => lookUpPrices('eu-west-1', INSTANCE_TYPE_NAMES, now)

  it('asks where the services are, page after page, for what it needs alone', async () => {
    await lookUp()
    // The Price List API is served from us-east-1, EC2 from the region itself; neither from the caller's.
    expect(new Set(asked.scopes)).toEqual(new Set(['us-east-1/pricing', 'eu-west-1/ec2']))
    expect(asked.products.map(typeOf)).toEqual(['m7i.large', ...INSTANCE_TYPE_NAMES])
    expect(asked.products[0]).toMatchObject({ ServiceCode: 'AmazonEC2' })
    expect(asked.products[1]?.NextToken).toBe('second+page==')
    const filters = asked.products[0]?.Filters ?? []
    expect(new Set(filters.map(({ Type }) => Type))).toEqual(new Set(['TERM_MATCH']))
    expect(Object.fromEntries(filters.map(({ Field, Value }) => [Field, Value]))).toEqual({
      instanceType: 'm7i.large',
      regionCode: 'eu-west-1',
      operatingSystem: 'Linux',
      tenancy: 'Shared',
      capacitystatus: 'Used',
      preInstalledSw: 'NA',
      marketoption: 'OnDemand',
      locationType: 'AWS Region',
    })
    expect(asked.spot.map((request) => [request.get('Action'), request.get('NextToken')])).toEqual([
      ['DescribeSpotPriceHistory', null],
      ['DescribeSpotPriceHistory', 'more'],
    ])
    expect(asked.spot[0]?.get('ProductDescription.1')).toBe('Linux/UNIX')
    expect(asked.spot[0]?.get('InstanceType.1')).toBe('m7i.large')
    expect(Date.parse(asked.spot[0]?.get('StartTime') ?? '')).toBe(now.getTime())
  })

  it('waits and asks again where it is throttled', async () => {
    let throttled = 0
    answerProducts = (request) => {
      if (throttled === 2) return products(request)
      throttled += 1
      return json({ __type: 'ThrottlingException', message: 'Rate exceeded' }, 400)
    }
    expect((await lookUp())?.['m7i.large']?.onDemand?.usdPerHour).toBe(0.1071)
    expect(throttled).toBe(2)
  })

  it.each<[string, () => void, string]>([
    [
      'the price list may not be read',
      () => {
        answerProducts = () => json({ __type: 'AccessDeniedException', message: 'not authorized' }, 400)
      },
      'AccessDeniedException: not authorized',
    ],
    [
      'Spot may not be read',
      () => {
        answerSpot = () => [
          403,
          'text/xml',
          '<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized.</Message></Error></Errors><RequestID>r</RequestID></Response>',
        ]
      },
      'UnauthorizedOperation: You are not authorized.',
    ],
    [
      'a type has two prices',
      () => {
        answerProducts = (request) =>
          json({
            FormatVersion: 'aws_v1',
            PriceList: [product(typeOf(request), '1.0'), product(typeOf(request), '2.0')],
          })
      },
      'gave 2 prices for m7i.large in eu-west-1',
    ],
  ])('is an error with its reason where %s', async (_, arrange, said) => {
    arrange()
    const error = await rejectionOf(lookUp())
    expect(error.code).toBe('PRICES_UNAVAILABLE')
    expect(error.message).toContain(said)
  })
})

describe('roslin prices', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'roslin-prices-')), 'prices.json')
  beforeEach(() => copyFileSync(join(root, 'core/prices.json'), file))

  const prices = (...args: string[]) =>
    startRoslin(['prices', ...args, '--file', file], {
      ...awsEnvironment(),
      NO_COLOR: '1',
    }).ended
  const table = (): PriceTable => priceTableSchema.parse(JSON.parse(readFileSync(file, 'utf8')))

  it('refresh writes the prices of a region with their date, and leaves the other regions alone', async () => {
    const before = table()
    const { code, stdout, stderr } = await prices('refresh', '--region', 'eu-west-1', '--json')
    expect(stderr).toContain('Not offered on demand in eu-west-1: g5.xlarge.')
    expect(code).toBe(0)
    const written = table()
    expect(JSON.parse(stdout)).toEqual(written['eu-west-1'])
    expect(written['us-east-1']).toEqual(before['us-east-1'])
    const offered = INSTANCE_TYPE_NAMES.filter((type) => type !== 'g5.xlarge')
    expect(Object.keys(written['eu-west-1'] ?? {})).toEqual(offered)
    expect(written['eu-west-1']?.['m7i.large']).toEqual({ onDemand: { usdPerHour: 0.1071, checkedOn } })
    expect(written['eu-west-1']?.['p4d.24xlarge']).toEqual({
      onDemand: { usdPerHour: 24.15, checkedOn },
      spot: { usdPerHour: 10, checkedOn },
    })
    expect((await prices('list', '--region', 'eu-west-1')).stdout).toMatch(
      new RegExp(`│ p4d\\.24xlarge +│ \\$24\\.15 +│ ${checkedOn} │ eu-west-1 │ \\$10\\.00 │ ${checkedOn} │`),
    )
  })

  it('refresh writes nothing where it could not look all of them up', async () => {
    answerSpot = () => [
      403,
      'text/xml',
      '<Response><Errors><Error><Code>No</Code></Error></Errors></Response>',
    ]
    const before = readFileSync(file, 'utf8')
    const { code, stdout, stderr } = await prices('refresh', '--region', 'eu-west-1')
    expect(stderr).toContain('PRICES_UNAVAILABLE')
    expect(stdout).toBe('')
    expect(code).toBe(1)
    expect(readFileSync(file, 'utf8')).toBe(before)
  })

  it('refresh asks for a region, and for a real one', async () => {
    expect((await prices('refresh')).code).toBe(2)
    expect((await prices('refresh', '--region', 'Ireland')).stderr).toContain('AWS region')
    expect(asked.products).toEqual([])
  })

  it.each([
    ['is not there', undefined, 'ENOENT'],
    ['is no JSON', '{', 'JSON'],
    [
      'is no table of prices',
      '{"us-east-1": {"m7i.large": {"onDemand": 1}}}',
      'us-east-1.m7i.large.onDemand: is 1',
    ],
  ])('a --file that %s is an error, and nothing is looked up', async (_, text, said) => {
    rmSync(file)
    if (text !== undefined) writeFileSync(file, text)
    for (const args of [['list'], ['refresh', '--region', 'eu-west-1']]) {
      const { code, stderr } = await prices(...args)
      expect(stderr).toMatch(/^PRICES_INVALID: /)
      expect(stderr).toContain(said)
      expect(code).toBe(2)
    }
    expect(asked.products).toEqual([])
  })

  it('list says whose price stands in, and --json has what the table has', async () => {
    const { stdout } = await prices('list', '--region', 'xx-north-1')
    expect(stdout).toMatch(/│ p3dn\.24xlarge +│ \$31\.21 +│ 2026-11-24 │ us-east-1 │/)
    expect(JSON.parse((await prices('list', '--json')).stdout)['p4d.24xlarge'].onDemand.usdPerHour).toBe(
      21.96,
    )
  })
})
