"""Random networks, for comparisons of cnnlab with Keras."""

from hypothesis import strategies as st

ACTIVATIONS = st.sampled_from(["linear", "relu", "tanh", "leaky_relu", "softmax"])
SMALL = st.integers(1, 4)
PAIRS = SMALL | st.tuples(SMALL, SMALL).map(list)
PADDING = st.sampled_from(["valid", "same"])
INITIALIZERS = st.sampled_from(["glorot_uniform", "he", "xavier", "lecun_normal", {"random_uniform": {"minval": -1.0}}])


def options(**strategies):
    return st.fixed_dictionaries(strategies)


def kind(name, **strategies):
    return options(**strategies).map(lambda chosen: {name: chosen})


convolution = {
    "kernel_size": PAIRS, "padding": PADDING, "activation": ACTIVATIONS, "use_bias": st.booleans(), "kernel_initializer": INITIALIZERS,
}  # fmt: skip
picture_layer = st.one_of(
    kind("conv2d", filters=SMALL, strides=PAIRS, **convolution),
    kind("depthwise_conv2d", depth_multiplier=st.integers(1, 2), strides=SMALL, **convolution),
    kind("separable_conv2d", filters=SMALL, depth_multiplier=st.integers(1, 2), strides=SMALL, **convolution),
    kind("max_pool2d", pool_size=PAIRS, padding=PADDING),
    kind("avg_pool2d", pool_size=PAIRS, strides=PAIRS, padding=PADDING),
    kind("zero_padding2d", padding=PAIRS),
    kind("channel_max_pool", pool_size=st.integers(1, 2)),
    kind("batch_norm", center=st.booleans(), scale=st.booleans()),
    kind("rescale", scale=st.just(2.0)),
    st.just({"activation": "relu"}),
    st.just({"dropout": 0.5}),
)
same_shape = st.one_of(
    kind("conv2d", filters=SMALL, kernel_size=st.just(3), padding=st.just("same"), strides=st.just(1)),
    st.just("batch_norm"),
    st.just({"activation": "tanh"}),
)


@st.composite
def residuals(draw):
    stride = draw(st.integers(1, 2))
    first = {"conv2d": {"filters": draw(st.integers(1, 6)), "kernel_size": 3, "padding": "same", "strides": stride}}
    rest = draw(st.lists(same_shape, max_size=2))
    shortcut = draw(st.sampled_from(["projection", "pad"]))
    activation = draw(st.sampled_from(["linear", "relu"]))
    return {"residual": {"layers": [first, *rest], "shortcut": shortcut, "activation": activation}}


blocks = st.one_of(
    residuals(),
    st.lists(st.lists(same_shape, max_size=2), min_size=1, max_size=3).map(lambda branches: {"parallel": branches}),
    st.lists(same_shape, min_size=1, max_size=2).map(lambda layers: {"repeat": {"times": 2, "layers": layers}}),
)
feature_layer = st.one_of(
    kind("dense", units=SMALL, activation=ACTIVATIONS, use_bias=st.booleans()),
    st.just("batch_norm"),
    st.just({"dropout": 0.1}),
    st.lists(kind("dense", units=SMALL), min_size=1, max_size=2).map(lambda layers: {"residual": layers}),
    kind("channel_max_pool", pool_size=st.integers(1, 2)),
)
to_features = st.sampled_from(["flatten", "global_avg_pool2d", "global_max_pool2d"])
networks = st.tuples(
    st.lists(picture_layer | blocks, max_size=5), to_features, st.lists(feature_layer, max_size=3)
).map(lambda parts: [*parts[0], parts[1], *parts[2]])
image_shapes = st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 3))
