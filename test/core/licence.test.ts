import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { inheritedLicence } from '../../core/licence.ts'

const verdict = (...licences: string[]) =>
  inheritedLicence(licences.map((spdx, index) => ({ of: `source ${index}`, spdx })))

describe('the licence of a model', () => {
  it.each([
    ['Apache-2.0', true, false],
    ['MIT', true, false],
    ['CC-BY-4.0', true, false],
    ['CC-BY-SA-3.0', true, true],
    ['CC-BY-NC-4.0', false, false],
    ['cc-by-nc-4.0', false, false],
    ['CC-BY-NC-SA-4.0', false, true],
    ['CC-BY-NC-ND-4.0', false, false],
    ['LicenseRef-NonCommercial', false, false],
    ['LicenseRef-some-research-licence', false, false],
    ['LicenseRef-ours', true, false],
  ])('from %s: commercial use %s, share alike %s', (spdx, commercialUse, shareAlike) => {
    expect(verdict(spdx)).toMatchObject({ commercialUse, shareAlike })
  })

  it('is as strict as the strictest of its sources, in any order', () => {
    const licence = fc.constantFrom('Apache-2.0', 'MIT', 'CC-BY-SA-4.0', 'CC-BY-NC-4.0', 'CC-BY-NC-SA-4.0')
    fc.assert(
      fc.property(fc.array(licence, { minLength: 1, maxLength: 5 }), (licences) => {
        const each = licences.map((spdx) => verdict(spdx))
        expect(verdict(...licences)).toMatchObject({
          commercialUse: each.every(({ commercialUse }) => commercialUse),
          shareAlike: each.some(({ shareAlike }) => shareAlike),
        })
      }),
    )
  })

  it('names what it follows from', () => {
    expect(verdict('MIT', 'CC-BY-4.0').because).toEqual(['source 0: MIT', 'source 1: CC-BY-4.0'])
  })
})
