"""The loss of knowledge distillation."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import kl_div


@dataclass(frozen=True)
class DistillationLoss:
    """Loss of a student: against labels and a teacher's logits.

    Attributes:
        weight: weight of the teacher's term, in [0, 1].
        temperature: divides both logits; higher means softer targets.
    """

    weight: float
    temperature: float

    def __call__(self, hard_loss: Tensor, logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """Return the total loss (Hinton, Vinyals & Dean 2015, arXiv:1503.02531, section 2).

        Args:
            hard_loss: loss against the labels, float32[].
            logits: student's logits, float32[N, C].
            teacher_logits: teacher's logits, float32[N, C].
        """
        student, teacher = ((z.float() / self.temperature).log_softmax(dim=1) for z in (logits, teacher_logits))
        divergence = kl_div(student, teacher, log_target=True, reduction="batchmean")
        return (1 - self.weight) * hard_loss + self.weight * self.temperature**2 * divergence
