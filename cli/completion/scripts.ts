import type { Place, Word } from './places.ts'

export type Shell = 'bash' | 'zsh' | 'fish'

/** A shell's script for the whole tree. Where nothing of it fits, files are offered. */
export const SCRIPTS: Readonly<Record<Shell, (places: readonly Place[]) => string>> = { bash, zsh, fish }

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`
const fishQuoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
const pathsOf = (places: readonly Place[]) => places.map(({ path }) => path).filter(Boolean)

function choiceCases(places: readonly Place[], line: (values: readonly string[]) => string): string {
  return places
    .flatMap(({ path, choices }) =>
      choices.map(({ flag, values }) => `    ${quoted(`${path} ${flag}`)}) ${line(values)} ;;`),
    )
    .join('\n')
}

function bash(places: readonly Place[]): string {
  const words = ({ words }: Place) => quoted(words.map(({ word }) => word).join(' '))
  return `_roslin() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path='' words='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
      ${pathsOf(places).map(quoted).join('|')}) path="$path $word" ;;
    esac
  done
  case "$path" in
${places.map((place) => `    ${quoted(place.path)}) words=${words(place)} ;;`).join('\n')}
  esac
  case "$path $previous" in
${choiceCases(places, (values) => `words=${quoted(values.join(' '))}`)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _roslin roslin`
}

function zsh(places: readonly Place[]): string {
  const described = ({ word, description }: Word) =>
    quoted(`${word.replaceAll(':', '\\:')}:${description.replaceAll('\n', ' ')}`)
  return `#compdef roslin
_roslin() {
  local at='' word
  local -a choices
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$at $word" in
      ${pathsOf(places).map(quoted).join('|')}) at="$at $word" ;;
    esac
  done
  case "$at" in
${places.map(({ path, words }) => `    ${quoted(path)}) choices=(${words.map(described).join(' ')}) ;;`).join('\n')}
  esac
  case "$at \${words[CURRENT-1]}" in
${choiceCases(places, (values) => `choices=(${values.map(quoted).join(' ')})`)}
  esac
  _describe roslin choices || _files
}
if [[ $funcstack[1] == _roslin ]]; then _roslin "$@"; else compdef _roslin roslin; fi`
}

function fish(places: readonly Place[]): string {
  const lines = places.flatMap(({ path, words, choices }) =>
    words.map(({ word, description }) => {
      const at = `complete -c roslin -n ${fishQuoted(`__roslin_at ${fishQuoted(path)}`)}`
      if (!word.startsWith('--')) return `${at} -a ${fishQuoted(word)} -d ${fishQuoted(description)}`
      const values = choices.find(({ flag }) => flag === word)?.values
      const taken = values ? ` -x -a ${fishQuoted(values.join(' '))}` : ''
      return `${at} -l ${word.slice(2)}${taken} -d ${fishQuoted(description)}`
    }),
  )
  return `function __roslin_at
  set -l at ''
  for word in (commandline -opc)[2..-1]
    switch "$at $word"
      case ${pathsOf(places).map(fishQuoted).join(' ')}
        set at "$at $word"
    end
  end
  test "$at" = "$argv[1]"
end
${lines.join('\n')}`
}
