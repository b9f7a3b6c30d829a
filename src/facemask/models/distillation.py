"""The loss of a network that learns from another one."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import kl_div


@dataclass(frozen=True)
class DistillationLoss:
    """The loss of a student: against the labels, and against its teacher's logits for the same images.

    Attributes:
        weight: of the teacher's part, in [0, 1].
        temperature: divides both logits; higher gives softer targets.
    """

    weight: float
    temperature: float

    def __call__(self, hard_loss: Tensor, logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """Return the whole loss (Hinton, Vinyals & Dean 2015, arXiv:1503.02531, section 2).

        Args:
            hard_loss: the loss against the labels.
            logits: the student's, float32[N, C].
            teacher_logits: float32[N, C].
        """
        student, teacher = ((z.float() / self.temperature).log_softmax(dim=1) for z in (logits, teacher_logits))
        divergence = kl_div(student, teacher, log_target=True, reduction="batchmean")
        return (1 - self.weight) * hard_loss + self.weight * self.temperature**2 * divergence
