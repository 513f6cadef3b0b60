"""How much a model's layers keep for their backward pass, told from what they are made of."""

# Beside the MLP: two norms, query, key, value, attention's output, the residual stream. An RMSNorm keeps its
# input in 32 bits.
PLAIN_VALUES = 9
RMS_NORM_VALUES = 13
# Of each further RMSNorm, over its own width: those of query and key, and those behind an MLP.
FURTHER_NORM_VALUES = 3.5
# Of an MLP of the layer's width: input and output of its activation; gated, also the gate and the product.
MLP_VALUES = 2
GATED_MLP_VALUES = 4
# Of eager attention: copies of keys and values where heads share them; and a weight in 32 bits and in 16 for
# each head and each token of the row.
EAGER_VALUES = 3
WEIGHT_VALUES = 3
# A dropout's output and its mask.
DROPOUT_VALUES = 1.5


def layer_activations(model, config, dropout: float, eager_tokens: int = 0) -> float:
    """Values that one layer keeps for a token, over the model's width; `dropout` is adapters', if it has any.

    `eager_tokens` is the length of a row where attention is eager. `model` may be on the meta device:
    test_activations.py holds this against what autograd keeps.
    """
    modules = dict(model.named_modules())
    parts = {name.rpartition(".")[2] for name in modules}
    # GPT-J and GPT-2 have no width of their own for the MLP where it is four times the layer's.
    inner = getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None)
    mlp = (inner or 4 * config.hidden_size) / config.hidden_size
    values = GATED_MLP_VALUES * mlp if parts & {"gate_proj", "gate_up_proj"} else MLP_VALUES * mlp
    has_rms_norm = any("RMSNorm" in type(module).__name__ for module in modules.values())
    values += RMS_NORM_VALUES if has_rms_norm else PLAIN_VALUES
    if "q_norm" in parts:
        values += FURTHER_NORM_VALUES * (1 + config.num_key_value_heads / config.num_attention_heads)
    if "post_feedforward_layernorm" in parts:
        values += FURTHER_NORM_VALUES
    if getattr(config, "resid_pdrop", 0.0) > 0:
        # Behind attention and behind the MLP, as in GPT-2.
        values += 2 * DROPOUT_VALUES
    if eager_tokens > 0:
        values += (
            EAGER_VALUES + WEIGHT_VALUES * config.num_attention_heads * eager_tokens / config.hidden_size
        )
    if dropout > 0:
        adapted = (module for name, module in modules.items() if name.endswith("lora_A.default"))
        widths = sum(module.in_features for module in adapted) / config.num_hidden_layers
        values += DROPOUT_VALUES * widths / config.hidden_size
    return values
