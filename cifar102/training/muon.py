"""SGD whose steps of convolution kernels are made orthogonal: every direction of a kernel is moved alike."""

import tensorflow as tf
from tensorflow import keras

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # of x, x^3 and x^5, chosen to be steep at 0 and to end within .7 to 1.2
NUM_ITERATIONS = 3


@keras.utils.register_keras_serializable(package="cifar102")
class Muon(keras.optimizers.SGD):
    """Momentum SGD for biases and dense layers; kernels of convolutions take orthogonalised Nesterov steps.

    kernel_rate: the rate of the kernels as a share of learning_rate, so that one schedule drives both.
    kernel_momentum: of the kernels. Before each step a kernel is brought to the norm of sqrt(filters), so its rate is
    the angle by which it turns, and weight decay does nothing to it. ValueError for a momentum of 0. Source: Jordan et
    al. 2024, Muon: an optimizer for hidden layers in neural networks, https://kellerjordan.github.io/posts/muon/.
    """

    def __init__(
        self,
        learning_rate: object = 0.01,
        kernel_rate: float = 1.0,
        kernel_momentum: float = 0.6,
        momentum: float = 0.9,
        name: str = "muon",
        **options: object,
    ) -> None:
        if not momentum > 0:
            raise ValueError(f"momentum {momentum}: muon needs one above 0")
        super().__init__(learning_rate, momentum=momentum, name=name, **options)
        self.kernel_rate, self.kernel_momentum = kernel_rate, kernel_momentum

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, *rate: tf.Tensor) -> None:
        """Take one step; `rate` is given by Keras 3 alone."""
        if len(variable.shape) != 4:
            super().update_step(gradient, variable, *rate)
            return
        velocity, rate = self._velocity_of(variable), rate[0] if rate else self.learning_rate
        momentum = tf.cast(self.kernel_momentum, variable.dtype)
        velocity.assign(momentum * velocity + gradient)
        filters = int(variable.shape[-1])
        step = orthogonal(tf.reshape(gradient + momentum * velocity, [-1, filters]))
        kernel = variable * (filters**0.5 / tf.norm(variable))
        variable.assign(kernel - tf.cast(rate * self.kernel_rate, kernel.dtype) * tf.reshape(step, variable.shape))

    def _velocity_of(self, variable: tf.Variable) -> tf.Variable:
        if hasattr(self, "_get_variable_index"):  # Keras 3
            return self.momentums[self._get_variable_index(variable)]
        return self.momentums[self._index_dict[self._var_key(variable)]]

    def get_config(self) -> dict:
        return super().get_config() | {"kernel_rate": self.kernel_rate, "kernel_momentum": self.kernel_momentum}


def orthogonal(matrix: tf.Tensor) -> tf.Tensor:
    """Nearly the orthogonal matrix nearest to a matrix (m, n): its large singular values end near 1.

    By Newton-Schulz iterations. All but the first and last product are of min(m, n) rows and columns: an iteration
    multiplies by a polynomial in the matrix of inner products, which is brought along. A matrix of zeros stays one.
    """
    linear, cubic, quintic = NEWTON_SCHULZ
    is_wide = matrix.shape[0] < matrix.shape[1]
    x = matrix / (tf.norm(matrix) + 1e-7)
    inner = tf.matmul(x, x, transpose_a=not is_wide, transpose_b=is_wide)
    factor = identity = tf.eye(inner.shape[0], dtype=inner.dtype)
    for _ in range(NUM_ITERATIONS):
        step = linear * identity + cubic * inner + quintic * tf.matmul(inner, inner)
        factor = tf.matmul(factor, step)
        inner = tf.matmul(tf.matmul(step, inner), step)
    return tf.matmul(factor, x) if is_wide else tf.matmul(x, factor)
