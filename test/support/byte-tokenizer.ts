/** The files of a tokenizer whose every token is one byte: `tokenizer.json` and `tokenizer_config.json`. */
export const BYTE_TOKENIZER = {
  'tokenizer.json': {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', vocab: byteVocabulary(), merges: [] },
  },
  'tokenizer_config.json': { tokenizer_class: 'PreTrainedTokenizerFast' },
}

/** GPT-2's names for bytes: printable ones stand for themselves, the others are moved beyond Latin-1. */
function byteVocabulary(): Record<string, number> {
  const printable = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173 && byte < 256)
  let moved = 256
  const names = Array.from({ length: 256 }, (_, byte) => (printable(byte) ? byte : moved++))
  return Object.fromEntries(names.map((code, byte) => [String.fromCodePoint(code), byte]))
}
