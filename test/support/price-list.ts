/** Documents in the shape that the Price List API's GetProducts gives for AmazonEC2, each a JSON text. */

const LINUX = {
  regionCode: 'eu-west-1',
  locationType: 'AWS Region',
  location: 'EU (Ireland)',
  operatingSystem: 'Linux',
  tenancy: 'Shared',
  capacitystatus: 'Used',
  preInstalledSw: 'NA',
  licenseModel: 'No License required',
  marketoption: 'OnDemand',
  operation: 'RunInstances',
  servicecode: 'AmazonEC2',
}

export function product(
  instanceType: string,
  usd: string,
  attributes: Readonly<Record<string, string>> = {},
  unit = 'Hrs',
): string {
  const sku = `SKU${instanceType}`.toUpperCase()
  return JSON.stringify({
    product: {
      productFamily: 'Compute Instance',
      attributes: { instanceType, ...LINUX, ...attributes },
      sku,
    },
    serviceCode: 'AmazonEC2',
    terms: {
      OnDemand: {
        [`${sku}.JRTCKXETXF`]: {
          priceDimensions: {
            [`${sku}.JRTCKXETXF.6YS6EN2CT7`]: {
              unit,
              endRange: 'Inf',
              description: `$${usd} per On Demand Linux ${instanceType} Instance Hour`,
              appliesTo: [],
              rateCode: `${sku}.JRTCKXETXF.6YS6EN2CT7`,
              beginRange: '0',
              pricePerUnit: { USD: usd },
            },
          },
          sku,
          effectiveDate: '2026-11-01T00:00:00Z',
          offerTermCode: 'JRTCKXETXF',
          termAttributes: {},
        },
      },
    },
    version: '20261120000000',
    publicationDate: '2026-11-20T00:00:00Z',
  })
}

/** What else there is of the same type, at other prices. */
export function neighbours(instanceType: string): string[] {
  return [
    product(instanceType, '99.1000000000', { tenancy: 'Dedicated' }),
    product(instanceType, '99.2000000000', { tenancy: 'Host', capacitystatus: 'AllocatedHost' }),
    product(instanceType, '99.3000000000', { operatingSystem: 'Windows', licenseModel: 'License Included' }),
    product(instanceType, '99.4000000000', { operatingSystem: 'RHEL' }),
    product(instanceType, '99.5000000000', { preInstalledSw: 'SQL Ent' }),
    product(instanceType, '0.0000000000', { capacitystatus: 'AllocatedCapacityReservation' }),
    product(instanceType, '99.6000000000', { capacitystatus: 'UnusedCapacityReservation' }),
    product(instanceType, '0.0000000000', { marketoption: 'CapacityBlock' }),
    product(instanceType, '99.7000000000', { locationType: 'AWS Local Zone' }),
    product(instanceType, '99.8000000000', { regionCode: 'us-east-1' }),
  ]
}
