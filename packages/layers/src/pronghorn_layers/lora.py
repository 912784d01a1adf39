"""LoRA: a frozen weight is adapted by the product of two thin matrices (Hu et al., 2021, "Low-Rank Adaptation")."""

from __future__ import annotations

from typing import Any, ClassVar

from pronghorn import initializers, ops
from pronghorn.arguments import as_integer
from pronghorn.layer import Layer
from pronghorn.tensor import Tensor, Variable


class LowRank(Layer):
    """A layer whose main weight W (…, n) can be replaced by W + alpha / rank · A @ B, of which A (…, rank) and
    B (rank, n) are trained and W is not.

    Files hold the sum in the place of W, and neither A nor B, as Keras's do: they open in layers with and without an
    adaptation. What is loaded begins with B = 0, so that the sum is what the file has, and training goes on from there.
    """

    adapted: ClassVar[str] = "kernel"
    """The name of the weight; it is in the attribute of that name with "_" before it."""

    lora_rank: int | None
    lora_alpha: float | None
    lora_enabled = False

    def _adapt(self, lora_rank: Any, lora_alpha: Any) -> None:
        """Keeps the constructor's arguments."""
        where = f"layer {self.name!r} ({type(self).__name__}): argument"
        self.lora_rank = None if lora_rank is None else as_integer(lora_rank, f"{where} `lora_rank`")
        self.lora_alpha = lora_rank if lora_alpha is None else lora_alpha
        if lora_alpha is not None and lora_rank is None:
            raise ValueError(f"{where} `lora_alpha` scales an adaptation; give `lora_rank` too")

    def _begin_adapted(self) -> None:
        """Adapts the weight from the beginning, where the constructor was asked to."""
        if self.lora_rank is not None:
            self.enable_lora(self.lora_rank, self.lora_alpha)

    def _adapted_weight(self) -> Any:
        """The weight, or the sum that stands for it, in the compute dtype."""
        if f"_{self.adapted}" not in vars(self):
            raise AttributeError(
                f"layer {self.name!r} ({type(self).__name__}) has no `{self.adapted}` before it is built"
            )
        weight: Variable = getattr(self, f"_{self.adapted}")
        return ops.cast(self._sum(weight), self.compute_dtype) if self.lora_enabled else weight

    def _sum(self, weight: Any) -> Tensor:
        assert self.lora_rank is not None and self.lora_alpha is not None
        a, b = self._factors()
        return weight + (self.lora_alpha / self.lora_rank) * ops.matmul(a, b)  # type: ignore[no-any-return]

    def _factors(self) -> tuple[Variable, Variable]:
        return getattr(self, f"lora_{self.adapted}_a"), getattr(self, f"lora_{self.adapted}_b")

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: Any = "he_uniform",
        b_initializer: Any = "zeros",
    ) -> None:
        """Freezes the weight, and adapts it from now on.

        Args:
            rank: the number of columns of A and rows of B.
            lora_alpha: the product is scaled by lora_alpha / rank; `rank` by default.
            a_initializer, b_initializer: of A and B, which are float32 whatever the layer's dtype.

        Raises:
            ValueError: the layer is not built, is adapted already, or has a constraint on the weight.
        """
        title = f"layer {self.name!r} ({type(self).__name__}): enable_lora"
        if getattr(self, f"{self.adapted}_constraint") is not None:
            raise ValueError(f"{title} and `{self.adapted}_constraint` exclude each other; drop the constraint")
        if not hasattr(self, f"_{self.adapted}"):
            raise ValueError(f"{title} needs a layer that is built; call it on data or an Input first")
        if self.lora_enabled:
            raise ValueError(f"{title} was called before; a layer is adapted once")
        rank = as_integer(rank, f"{title}: argument `rank`")
        weight: Variable = getattr(self, f"_{self.adapted}")
        *rows, columns = weight.shape
        for part, shape, initializer in (("a", (*rows, rank), a_initializer), ("b", (rank, columns), b_initializer)):
            factor = self.add_weight(
                shape=shape,
                initializer=initializers.get(initializer),
                dtype="float32",
                regularizer=getattr(self, f"{self.adapted}_regularizer"),
                name=f"lora_{self.adapted}_{part}",
            )
            setattr(self, f"lora_{self.adapted}_{part}", factor)
        weight.trainable = False
        self.lora_rank, self.lora_alpha = rank, rank if lora_alpha is None else lora_alpha
        self.lora_enabled = True

    @property
    def trainable(self) -> bool:
        """Whether training changes the variables, but for a weight that is adapted."""
        return super().trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        Layer.trainable.fset(self, value)  # type: ignore[attr-defined]
        if self.lora_enabled:
            getattr(self, f"_{self.adapted}").trainable = False

    def _variables_in_files(self) -> list[Variable]:
        factors = self._factors() if self.lora_enabled else ()
        return [v for v in super()._variables_in_files() if v not in {*factors}]

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        if self.lora_enabled:
            weight = getattr(self, f"_{self.adapted}")
            store["0"] = ops.cast(self._sum(weight), weight.dtype).numpy()  # the weight comes first

    def load_own_variables(self, store: Any) -> None:
        super().load_own_variables(store)
        if self.lora_enabled:
            b = self._factors()[1]
            b.assign(ops.zeros(b.shape, b.dtype))

    def get_config(self) -> dict[str, Any]:
        config = {key: value for key, value in super().get_config().items() if not key.startswith("lora_")}
        return config | ({"lora_rank": self.lora_rank, "lora_alpha": self.lora_alpha} if self.lora_rank else {})
