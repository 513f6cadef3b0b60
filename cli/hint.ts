type Options = Readonly<Record<string, string | number | undefined>>

/** A command to type next, with the options it needs to mean the same deployment and the same list. */
export function hint(command: string, options: Options = {}): string {
  const given = Object.entries(options).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, quoted(String(value))],
  )
  return ['npx roslin', command, ...given].join(' ')
}

/** For a shell. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
