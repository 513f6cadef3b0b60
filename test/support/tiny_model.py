"""Writes a tiny model with random weights, in Hugging Face's layout, whose tokens are bytes: tiny_model.py FOLDER."""

import sys
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

folder = Path(sys.argv[1])
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate([*alphabet, "<end>"])}, []))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>").save_pretrained(folder)
config = LlamaConfig(
    vocab_size=len(alphabet) + 1,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    max_position_embeddings=1024,
    bos_token_id=None,
    eos_token_id=len(alphabet),
)
LlamaForCausalLM(config).save_pretrained(folder)
