"""Compares what wrong calls do under Ballast with what they do under PyTorch.

A sound call is an expression in CALLS. From it this program makes wrong ones: each argument
replaced by values of other types, ranks, sizes, signs and dtypes, left out, or joined by one too
many. PyTorch's answers (the kind of exception, or the type and shape of the result) are in
tests/golden/wrong_calls.txt, one line per sound call.

    python scripts/campaigns/wrong_calls.py record     # with a Python that has PyTorch
    python scripts/campaigns/wrong_calls.py            # with Ballast; prints differences
"""

from __future__ import annotations

import ast
import builtins
import collections
import pathlib
import sys
import warnings

GOLDEN = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "wrong_calls.txt"

# Here `f`, `i`, `b` and `d` make tensors of float32, int64, bool and float64 of a shape.
CALLS = """
torch.abs(f(2, 3))
torch.neg(f(2, 3))
torch.exp(f(2, 3))
torch.sigmoid(f(2, 3))
torch.logical_not(b(2, 3))
torch.isnan(f(2, 3))
torch.bitwise_not(i(2, 3))
torch.round(f(2, 3), decimals=1)
torch.nan_to_num(f(2, 3), 0.5)
torch.logit(f(2, 3), 0.1)
torch.square(f(2, 3))
torch.sign(f(2, 3))
torch.add(f(2, 3), f(3), alpha=2)
torch.sub(f(2, 3), 1.5)
torch.mul(f(2, 3), f(2, 1))
torch.div(f(2, 3), 2)
torch.pow(f(2, 3), 2)
torch.fmod(f(2, 3), 2.5)
torch.remainder(f(2, 3), f(3))
torch.floor_divide(f(2, 3), 2)
torch.atan2(f(2, 3), f(2, 3))
torch.hypot(f(2, 3), f(2, 3))
torch.copysign(f(2, 3), 1.5)
torch.maximum(f(2, 3), f(3))
torch.minimum(f(2, 3), f(3))
torch.fmax(f(2, 3), f(3))
torch.logaddexp(f(2, 3), f(3))
torch.heaviside(f(2, 3), f(3))
torch.gcd(i(2, 3), i(3))
torch.bitwise_and(i(2, 3), 1)
torch.bitwise_left_shift(i(2, 3), 1)
torch.logical_and(b(2, 3), b(3))
torch.eq(f(2, 3), 1)
torch.lt(f(2, 3), f(3))
torch.isclose(f(2, 3), f(2, 3), 0.1, 0.1)
torch.allclose(f(2, 3), f(2, 3), 0.1, 0.1)
torch.equal(f(2, 3), f(2, 3))
torch.where(b(2, 3), f(2, 3), f(3))
torch.lerp(f(2, 3), f(2, 3), 0.5)
torch.addcmul(f(2, 3), f(2, 3), f(3), value=2)
torch.addcdiv(f(2, 3), f(2, 3), f(3), value=2)
torch.clamp(f(2, 3), 0.1, 0.5)
torch.clamp(f(2, 3), f(3), f(3))
torch.clamp_min(f(2, 3), 0.1)
torch.clamp_max(f(2, 3), 0.1)
torch.masked_fill(f(2, 3), b(2, 3), 1.5)
torch.sum(f(2, 3), 1, True)
torch.sum(f(2, 3), (0, 1))
torch.mean(f(2, 3), 1, True)
torch.mean(f(2, 3))
torch.prod(f(2, 3), 1, True)
torch.all(b(2, 3), 1, True)
torch.any(b(2, 3), 1, True)
torch.amax(f(2, 3), 1, True)
torch.amin(f(2, 3), (0, 1), True)
torch.max(f(2, 3), 1, True)
torch.min(f(2, 3), 1, True)
torch.max(f(2, 3))
torch.argmax(f(2, 3), 1, True)
torch.argmin(f(2, 3), 1, True)
torch.median(f(2, 3), 1, True)
torch.kthvalue(f(2, 3), 1, 1, True)
torch.topk(f(2, 3), 2, 1, True, True)
torch.sort(f(2, 3), 1, True)
torch.argsort(f(2, 3), 1, True)
torch.std(f(2, 3), 1)
torch.std(f(2, 3), True)
torch.var(f(2, 3), 1, True, True)
torch.var(f(2, 3), False)
torch.std_mean(f(2, 3), 1)
torch.var_mean(f(2, 3), 1, True, True)
torch.logsumexp(f(2, 3), 1, True)
torch.count_nonzero(f(2, 3), 1)
torch.cumsum(f(2, 3), 1)
torch.cumprod(f(2, 3), 1)
torch.cummax(f(2, 3), 1)
torch.cummin(f(2, 3), 1)
torch.softmax(f(2, 3), 1)
torch.log_softmax(f(2, 3), 1)
torch.norm(f(2, 3), 2, 1, True)
torch.dist(f(2, 3), f(2, 3), 2)
torch.nansum(f(2, 3), 1, True)
torch.nanmean(f(2, 3), 1, True)
torch.quantile(f(2, 3), 0.5, 1, True)
torch.histc(f(2, 3), 4, 0, 1)
torch.renorm(f(2, 3), 2, 0, 1)
torch.cov(f(2, 3), correction=1)
torch.corrcoef(f(2, 3))
torch.diff(f(2, 3), 1, 1)
torch.trapezoid(f(2, 3), f(2, 3), dim=1)
torch.aminmax(f(2, 3), dim=1, keepdim=True)
torch.mm(f(2, 3), f(3, 4))
torch.bmm(f(2, 3, 4), f(2, 4, 5))
torch.matmul(f(2, 3), f(3, 4))
torch.mv(f(2, 3), f(3))
torch.dot(f(3), f(3))
torch.vdot(f(3), f(3))
torch.inner(f(2, 3), f(2, 3))
torch.outer(f(2), f(3))
torch.addmm(f(2, 4), f(2, 3), f(3, 4), beta=0.5, alpha=2)
torch.addmv(f(2), f(2, 3), f(3), beta=0.5, alpha=2)
torch.addr(f(2, 3), f(2), f(3), beta=0.5, alpha=2)
torch.baddbmm(f(2, 3, 5), f(2, 3, 4), f(2, 4, 5), beta=0.5, alpha=2)
torch.addbmm(f(3, 5), f(2, 3, 4), f(2, 4, 5), beta=0.5, alpha=2)
torch.einsum('ij,jk->ik', f(2, 3), f(3, 4))
torch.einsum('ii->i', f(3, 3))
torch.tensordot(f(2, 3), f(3, 4), 1)
torch.kron(f(2, 3), f(2))
torch.cross(f(2, 3), f(2, 3), 1)
torch.cdist(f(2, 3), f(4, 3), 2.0)
torch.trace(f(3, 3))
torch.diag(f(3, 3), 1)
torch.diagonal(f(3, 3), 1, 0, 1)
torch.diag_embed(f(2, 3), 1, 0, 1)
torch.diagflat(f(3), 1)
torch.tril(f(3, 3), 1)
torch.triu(f(3, 3), 1)
torch.matrix_power(f(3, 3), 2)
torch.linalg.norm(f(2, 3), 2, 1, True)
torch.linalg.vector_norm(f(2, 3), 2, 1, True)
torch.linalg.matrix_norm(f(2, 3))
torch.linalg.solve(f(2, 2), f(2, 3))
torch.linalg.inv(f(2, 2))
torch.linalg.det(f(2, 2))
torch.linalg.qr(f(3, 2))
torch.reshape(f(2, 3), (3, 2))
torch.permute(f(2, 3), (1, 0))
torch.transpose(f(2, 3), 0, 1)
torch.movedim(f(2, 3, 4), 0, 1)
torch.movedim(f(2, 3, 4), (0, 1), (1, 0))
torch.t(f(2, 3))
torch.squeeze(f(2, 1), 1)
torch.unsqueeze(f(2, 3), 1)
torch.flatten(f(2, 3, 4), 0, 1)
torch.unflatten(f(2, 6), 1, (2, 3))
torch.flip(f(2, 3), (0, 1))
torch.roll(f(2, 3), 1, 0)
torch.roll(f(2, 3), (1, 1), (0, 1))
torch.rot90(f(2, 3), 1, (0, 1))
torch.tile(f(2, 3), (2, 2))
torch.repeat_interleave(f(2, 3), 2, 1)
torch.repeat_interleave(f(2, 3), i(3), 1)
torch.cat((f(2, 3), f(2, 3)), 1)
torch.stack([f(2, 3), f(2, 3)], 1)
torch.hstack((f(2, 3), f(2, 3)))
torch.vstack((f(2, 3), f(2, 3)))
torch.dstack((f(2, 3), f(2, 3)))
torch.split(f(4, 3), 2, 0)
torch.split(f(4, 3), (1, 3), 0)
torch.chunk(f(4, 3), 2, 0)
torch.tensor_split(f(4, 3), 2, 0)
torch.tensor_split(f(4, 3), (1, 2), 0)
torch.hsplit(f(4, 4), 2)
torch.unbind(f(2, 3), 1)
torch.narrow(f(4, 3), 0, 1, 2)
torch.select(f(4, 3), 0, 1)
torch.index_select(f(4, 3), 0, i(3))
torch.gather(f(4, 3), 0, i(2, 3))
torch.scatter(f(4, 3), 0, i(2, 3), f(2, 3))
torch.scatter(f(4, 3), 0, i(2, 3), 1.5)
torch.scatter_add(f(4, 3), 0, i(2, 3), f(2, 3))
torch.scatter_reduce(f(4, 3), 0, i(2, 3), f(2, 3), 'sum')
torch.index_add(f(4, 3), 0, i(3), f(3, 3), alpha=2)
torch.index_copy(f(4, 3), 0, i(3), f(3, 3))
torch.index_fill(f(4, 3), 0, i(3), 1.5)
torch.index_put(f(4, 3), (i(3), i(3)), f(3))
torch.take(f(4, 3), i(3))
torch.take_along_dim(f(4, 3), i(4, 3), 1)
torch.masked_select(f(4, 3), b(4, 3))
torch.masked_scatter(f(4, 3), b(4, 3), f(12))
torch.select_scatter(f(4, 3), f(3), 0, 1)
torch.slice_scatter(f(4, 3), f(2, 3), 0, 1, 3)
torch.nonzero(f(2, 3))
torch.unique(f(2, 3), True)
torch.unique_consecutive(f(2, 3), True)
torch.bincount(i(3), f(3), 4)
torch.searchsorted(f(4), f(2, 3))
torch.bucketize(f(2, 3), f(4))
torch.isin(f(2, 3), f(4))
torch.multinomial(f(2, 3), 2)
torch.bernoulli(f(2, 3) * 0)
torch.broadcast_to(f(3), (2, 3))
torch.broadcast_tensors(f(2, 3), f(3))
torch.broadcast_shapes((2, 3), (3,))
torch.meshgrid(f(2), f(3), indexing='ij')
torch.cartesian_prod(f(2), f(3))
torch.combinations(f(4), 2)
torch.block_diag(f(2, 3), f(3))
torch.atleast_2d(f(3))
torch.vander(f(3), 2)
torch.tril_indices(3, 3, 1)
torch.zeros(2, 3)
torch.zeros((2, 3), dtype=torch.float64)
torch.ones(2, 3, device='cpu', requires_grad=True)
torch.empty((2, 3), device=None)
torch.full((2, 3), 1.5, dtype=torch.float64)
torch.full((2,), 3, dtype=torch.uint8)
torch.zeros_like(f(2, 3), dtype=torch.float64, device='cpu')
torch.full_like(f(2, 3), 1.5)
torch.arange(5)
torch.arange(0, 5, 2, dtype=torch.int64)
torch.arange(0.0, 5.0, 0.5)
torch.linspace(0, 1, 5, dtype=torch.float64)
torch.logspace(0, 1, 5)
torch.eye(3, 4)
torch.rand(2, 3, device='cpu')
torch.randn((2, 3), generator=None)
torch.randint(0, 5, (2, 3))
torch.randint(5, (2, 3))
torch.randperm(5)
torch.tensor([1.5, 2.5], dtype=torch.float64, device='cpu', requires_grad=True)
torch.tensor(3, dtype=torch.uint8)
torch.tensor([[1, 2], [3, 4]])
torch.as_tensor([1.5, 2.5], torch.float64, 'cpu')
torch.from_numpy(f(2, 3).numpy())
torch.device('cpu', 0)
torch.manual_seed(3)
torch.Generator('cpu').manual_seed(3)
torch.promote_types(torch.float32, torch.int64)
torch.result_type(f(2), 1)
torch.can_cast(torch.float32, torch.int64)
torch.finfo(torch.float32).bits
torch.is_tensor(f(2))
torch.numel(f(2, 3))
f(2, 3).view(3, 2)
f(2, 3).reshape(3, 2)
f(2, 3).permute(1, 0)
f(2, 3).expand(4, 2, 3)
f(2, 3).repeat(2, 2)
f(2, 3).view_as(f(3, 2))
f(2, 3).as_strided((2, 2), (1, 2), 1)
f(2, 3).size(1)
f(2, 3).stride(1)
f(1).item()
f(2, 3).tolist()
f(2, 3).numpy()
f(2, 3).to('cpu', torch.float64)
f(2, 3).to(torch.float64, copy=True)
f(2, 3).to(d(2))
f(2, 3).type(torch.float64)
f(2, 3).type_as(d(2))
f(2, 3).float()
f(2, 3).requires_grad_(True)
f(2, 3).detach()
f(2, 3).clone()
f(2, 3).contiguous()
f(2, 3).add_(f(3), alpha=2)
f(2, 3).mul_(2)
f(2, 3).copy_(f(3))
f(2, 3).fill_(1.5)
f(2, 3).zero_()
f(2, 3).clamp_(0.1, 0.5)
f(2, 3).masked_fill_(b(2, 3), 1.5)
f(2, 3).uniform_(0, 1)
f(2, 3).normal_(0, 1)
f(2, 3).bernoulli_(0.5)
f(2, 3).random_(0, 5)
f(4, 3).scatter_(0, i(2, 3), f(2, 3))
f(4, 3).index_fill_(0, i(3), 1.5)
f(4, 3).index_add_(0, i(3), f(3, 3))
f(2, 3).unsqueeze_(1)
f(2, 3).new_zeros(2, 3)
f(2, 3).new_full((2, 3), 1.5)
f(2, 3).new_tensor([1.5])
f(2, 3).unfold(1, 2, 1)
f(2, 3).sum_to_size(1, 3)
f(2, 3).fill_diagonal_(1.5)
f(2, 3).__getitem__(1)
f(2, 3).__getitem__((0, 1))
f(2, 3).__getitem__(i(2))
f(2, 3).__getitem__((slice(0, 1), None))
f(2, 3).__setitem__(1, 1.5)
f(2, 3).__setitem__((0, 1), 1.5)
f(2, 3).__setitem__(i(2), f(3))
len(f(2, 3))
int(f(1))
float(f(1))
bool(f(1))
operator.add(f(2, 3), f(3))
operator.sub(f(2, 3), 1)
operator.mul(2, f(3))
operator.truediv(f(2, 3), f(3))
operator.floordiv(f(2, 3), 2)
operator.mod(f(2, 3), 2)
operator.pow(f(2, 3), 2)
operator.matmul(f(2, 3), f(3, 4))
operator.and_(b(2, 3), b(3))
operator.lshift(i(2, 3), 1)
operator.lt(f(2, 3), 1)
operator.invert(b(2, 3))
operator.iadd(f(2, 3), f(3))
F.relu(f(2, 3), False)
F.leaky_relu(f(2, 3), 0.1, False)
F.elu(f(2, 3), 1.0)
F.gelu(f(2, 3), approximate='tanh')
F.silu(f(2, 3))
F.softplus(f(2, 3), 1, 20)
F.hardtanh(f(2, 3), -1.0, 1.0)
F.threshold(f(2, 3), 0.5, 1.5)
F.prelu(f(2, 3), f(3))
F.glu(f(2, 4), 1)
F.softmax(f(2, 3), 1)
F.log_softmax(f(2, 3), 1)
F.softshrink(f(2, 3), 0.5)
F.logsigmoid(f(2, 3))
F.rrelu(f(2, 3), 0.1, 0.3, False)
F.normalize(f(2, 3), 2.0, 1)
F.dropout(f(2, 3), 0.5, False)
F.dropout2d(f(2, 3, 4, 4), 0.5, False)
F.alpha_dropout(f(2, 3), 0.5, False)
F.linear(f(2, 3), f(4, 3), f(4))
F.bilinear(f(2, 3), f(2, 4), f(5, 3, 4), f(5))
F.conv1d(f(2, 3, 8), f(4, 3, 3), f(4), 1, 1, 1, 1)
F.conv2d(f(2, 3, 8, 8), f(4, 3, 3, 3), f(4), 1, 1, 1, 1)
F.conv2d(f(2, 4, 8, 8), f(4, 2, 3, 3), None, (2, 2), (1, 1), (1, 1), 2)
F.conv2d(f(2, 3, 8, 8), f(4, 3, 3, 3), padding='same')
F.conv3d(f(1, 2, 4, 4, 4), f(2, 2, 2, 2, 2))
F.conv_transpose2d(f(2, 3, 4, 4), f(3, 4, 3, 3), f(4), 2, 1, 1, 1, 1)
F.unfold(f(2, 3, 8, 8), 2, 1, 0, 1)
F.fold(f(2, 12, 9), (4, 4), 2)
F.max_pool1d(f(2, 3, 8), 2, 2)
F.max_pool2d(f(2, 3, 8, 8), 2, 2, 0, 1, False)
F.max_pool2d(f(2, 3, 8, 8), (2, 2), (2, 2), return_indices=True)
F.avg_pool1d(f(2, 3, 8), 2, 2)
F.avg_pool2d(f(2, 3, 8, 8), 2, 2, 0, False, True)
F.avg_pool2d(f(2, 3, 8, 8), (2, 2), divisor_override=3)
F.max_pool3d(f(1, 2, 4, 4, 4), 2)
F.lp_pool2d(f(2, 3, 8, 8), 2.0, 2, 2)
F.adaptive_avg_pool1d(f(2, 3, 8), 4)
F.adaptive_avg_pool2d(f(2, 3, 8, 8), (4, 4))
F.adaptive_max_pool2d(f(2, 3, 8, 8), 4)
F.max_unpool2d(f(1, 1, 2, 2), i(1, 1, 2, 2), 2)
F.pad(f(2, 3), (1, 1), 'constant', 1.5)
F.pad(f(1, 2, 4, 4), (1, 1, 1, 1), 'reflect')
F.pad(f(1, 2, 4, 4), (1, 1, 1, 1), 'circular')
F.pad(f(1, 2, 4, 4), (1, 1, 1, 1), mode='replicate')
F.interpolate(f(1, 2, 4, 4), (8, 8), mode='bilinear', align_corners=True)
F.interpolate(f(1, 2, 4, 4), scale_factor=2.0)
F.interpolate(f(1, 2, 4), 6, mode='nearest')
F.pixel_shuffle(f(1, 4, 3, 3), 2)
F.pixel_unshuffle(f(1, 1, 4, 4), 2)
F.channel_shuffle(f(1, 4, 3, 3), 2)
F.batch_norm(f(2, 3), f(3), f(3), f(3), f(3), True, 0.1, 0.001)
F.batch_norm(f(2, 3, 4, 4), f(3), f(3), training=False)
F.instance_norm(f(2, 3, 4), f(3), f(3), f(3), f(3), True, 0.1, 0.001)
F.layer_norm(f(2, 3), (3,), f(3), f(3), 0.001)
F.group_norm(f(2, 4, 3), 2, f(4), f(4), 0.001)
F.rms_norm(f(2, 3), (3,), f(3), 0.001)
F.local_response_norm(f(2, 3, 4), 2, 0.1, 0.5, 1.0)
F.embedding(i(2, 3), f(4, 3), 1)
F.embedding_bag(i(2, 3), f(4, 3), mode='mean')
F.embedding_bag(i(3), f(4, 3), i(1), mode='sum')
F.one_hot(i(3), 4)
F.cosine_similarity(f(2, 3), f(2, 3), 1, 0.001)
F.pairwise_distance(f(2, 3), f(2, 3), 2.0)
F.cross_entropy(f(2, 3), i(2), f(3), reduction='sum')
F.cross_entropy(f(2, 3), f(2, 3), label_smoothing=0.1)
F.nll_loss(f(2, 3), i(2), f(3), ignore_index=1)
F.mse_loss(f(2, 3), f(2, 3), reduction='none')
F.l1_loss(f(2, 3), f(2, 3))
F.smooth_l1_loss(f(2, 3), f(2, 3), beta=0.5)
F.huber_loss(f(2, 3), f(2, 3), delta=0.5)
F.binary_cross_entropy(f(2, 3) * 0, f(2, 3) * 0, f(3))
F.binary_cross_entropy_with_logits(f(2, 3), f(2, 3), f(3), pos_weight=f(3))
F.kl_div(f(2, 3), f(2, 3), reduction='batchmean')
F.cosine_embedding_loss(f(2, 3), f(2, 3), f(2), 0.1)
F.margin_ranking_loss(f(2), f(2), f(2), 0.1)
F.hinge_embedding_loss(f(2, 3), f(2, 3), 1.0)
F.soft_margin_loss(f(2, 3), f(2, 3))
F.multi_margin_loss(f(2, 3), i(2), 1, 1.0)
F.multilabel_margin_loss(f(2, 3), i(2, 3))
F.multilabel_soft_margin_loss(f(2, 3), f(2, 3))
F.triplet_margin_loss(f(2, 3), f(2, 3), f(2, 3), 1.0)
F.poisson_nll_loss(f(2, 3), f(2, 3))
F.gaussian_nll_loss(f(2, 3), f(2, 3), f(2, 3))
nn.Linear(3, 4, True, device='cpu', dtype=torch.float64)
nn.Linear(3, 4)(f(2, 3))
nn.Bilinear(3, 4, 5)(f(2, 3), f(2, 4))
nn.Identity()(f(2, 3))
nn.Conv1d(3, 4, 3, 1, 1, 1, 1)(f(2, 3, 8))
nn.Conv2d(3, 4, 3, 1, 1, 1, 1, True, 'zeros')(f(2, 3, 8, 8))
nn.Conv2d(4, 4, (3, 3), (1, 1), (1, 1), groups=2)(f(2, 4, 8, 8))
nn.Conv2d(3, 4, 3, padding='same', padding_mode='reflect')(f(2, 3, 8, 8))
nn.ConvTranspose2d(3, 4, 3, 2, 1, 1)(f(2, 3, 4, 4))
nn.BatchNorm1d(3, 0.001, 0.1, True, True)(f(2, 3))
nn.BatchNorm2d(3, eps=0.001, momentum=None)(f(2, 3, 4, 4))
nn.BatchNorm3d(2)(f(1, 2, 2, 2, 2))
nn.InstanceNorm2d(3, affine=True, track_running_stats=True)(f(2, 3, 4, 4))
nn.LayerNorm(3, 0.001, True)(f(2, 3))
nn.LayerNorm((2, 3))(f(4, 2, 3))
nn.GroupNorm(2, 4, 0.001)(f(2, 4, 3))
nn.RMSNorm(3)(f(2, 3))
nn.LocalResponseNorm(2)(f(2, 3, 4))
nn.SyncBatchNorm(3)
nn.MaxPool1d(2, 2)(f(2, 3, 8))
nn.MaxPool2d(2, 2, 0, 1)(f(2, 3, 8, 8))
nn.AvgPool2d(2, 2)(f(2, 3, 8, 8))
nn.AdaptiveAvgPool2d(4)(f(2, 3, 8, 8))
nn.AdaptiveMaxPool2d((4, None))(f(2, 3, 8, 8))
nn.LPPool2d(2, 2)(f(2, 3, 8, 8))
nn.MaxUnpool2d(2)(f(1, 1, 2, 2), i(1, 1, 2, 2))
nn.ReflectionPad2d(1)(f(1, 2, 4, 4))
nn.ZeroPad2d((1, 1, 1, 1))(f(1, 2, 4, 4))
nn.ConstantPad1d(1, 1.5)(f(1, 2, 4))
nn.CircularPad2d(1)(f(1, 2, 4, 4))
nn.Upsample((8, 8), mode='bilinear')(f(1, 2, 4, 4))
nn.Upsample(scale_factor=2)(f(1, 2, 4, 4))
nn.PixelShuffle(2)(f(1, 4, 3, 3))
nn.Dropout(0.5)(f(2, 3))
nn.Dropout2d(0.5, False)(f(2, 3, 4, 4))
nn.AlphaDropout(0.5)(f(2, 3))
nn.ReLU(False)(f(2, 3))
nn.LeakyReLU(0.1)(f(2, 3))
nn.ELU(1.0)(f(2, 3))
nn.Softmax(1)(f(2, 3))
nn.Softplus(1, 20)(f(2, 3))
nn.Hardtanh(-1.0, 1.0)(f(2, 3))
nn.Threshold(0.5, 1.5)(f(2, 3))
nn.PReLU(3)(f(2, 3))
nn.GLU(1)(f(2, 4))
nn.GELU('tanh')(f(2, 3))
nn.Flatten(1, -1)(f(2, 3, 4))
nn.Unflatten(1, (2, 3))(f(2, 6))
nn.Embedding(4, 3, 1)(i(2, 3))
nn.EmbeddingBag(4, 3, mode='sum')(i(2, 3))
nn.Fold((4, 4), 2)(f(2, 12, 9))
nn.Unfold(2)(f(2, 3, 8, 8))
nn.CosineSimilarity(1)(f(2, 3), f(2, 3))
nn.CrossEntropyLoss(f(3), reduction='mean', label_smoothing=0.1)(f(2, 3), i(2))
nn.NLLLoss(f(3))(f(2, 3), i(2))
nn.MSELoss(reduction='sum')(f(2, 3), f(2, 3))
nn.SmoothL1Loss(beta=0.5)(f(2, 3), f(2, 3))
nn.HuberLoss('mean', 0.5)(f(2, 3), f(2, 3))
nn.BCEWithLogitsLoss(f(3))(f(2, 3), f(2, 3))
nn.KLDivLoss()(f(2, 3), f(2, 3))
nn.TripletMarginLoss(1.0)(f(2, 3), f(2, 3), f(2, 3))
nn.MultiMarginLoss(1, 1.0)(f(2, 3), i(2))
nn.Parameter(f(2, 3), True)
nn.Sequential(nn.ReLU(), nn.Tanh())(f(2, 3))
nn.ModuleList([nn.ReLU()]).append(nn.Tanh())
nn.ModuleList([nn.ReLU()]).insert(0, nn.Tanh())
nn.ModuleList([nn.ReLU()]).__getitem__(0)
nn.ModuleDict({'a': nn.ReLU()}).__getitem__('a')
nn.ParameterList([f(2)]).append(f(2))
nn.Linear(2, 2).register_buffer('name', f(2), True)
nn.Linear(2, 2).register_parameter('name', nn.Parameter(f(2)))
nn.Linear(2, 2).add_module('name', nn.ReLU())
nn.Linear(2, 2).get_submodule('')
nn.Linear(2, 2).load_state_dict({'weight': f(2, 2), 'bias': f(2)}, True)
nn.Linear(2, 2).to(torch.float64)
nn.Linear(2, 2).train(True)
nn.Linear(2, 2).requires_grad_(True)
nn.Linear(2, 2).zero_grad(True)
nn.Linear(2, 2).apply(len)
nn.init.uniform_(f(2, 3), 0.0, 1.0)
nn.init.normal_(f(2, 3), 0.0, 1.0)
nn.init.constant_(f(2, 3), 1.5)
nn.init.eye_(f(2, 3))
nn.init.dirac_(f(2, 3, 3), 1)
nn.init.xavier_uniform_(f(2, 3), 1.0)
nn.init.kaiming_normal_(f(2, 3), 0.0, 'fan_in', 'relu')
nn.init.orthogonal_(f(2, 3), 1.0)
nn.init.sparse_(f(2, 3), 0.5, 0.01)
nn.init.trunc_normal_(f(2, 3), 0.0, 1.0, -2.0, 2.0)
nn.init.calculate_gain('leaky_relu', 0.1)
nn.utils.clip_grad_norm_([p(2)], 1.0, 2.0)
nn.utils.clip_grad_value_([p(2)], 1.0)
nn.utils.parameters_to_vector([p(2), p(3)])
nn.utils.vector_to_parameters(f(5), [p(2), p(3)])
torch.optim.SGD([p(2)], 0.1, 0.9, 0.0, 0.1, False)
torch.optim.SGD([p(2)], lr=0.1, momentum=0.9, nesterov=True)
torch.optim.SGD([{'params': [p(2)], 'lr': 0.1}], 0.1)
torch.optim.Adam([p(2)], 0.1, (0.9, 0.99), 0.001, 0.1, False)
torch.optim.AdamW([p(2)], 0.1, (0.9, 0.99), 0.001, 0.1)
torch.optim.RMSprop([p(2)], 0.1, 0.9, 0.001, 0.1, 0.9)
torch.optim.Adagrad([p(2)], 0.1, 0.1, 0.1, 0.1)
torch.optim.Adadelta([p(2)], 0.1, 0.9, 0.001, 0.1)
torch.optim.Adamax([p(2)], 0.1, (0.9, 0.99), 0.001, 0.1)
torch.optim.NAdam([p(2)], 0.1, (0.9, 0.99), 0.001, 0.1)
torch.optim.RAdam([p(2)], 0.1, (0.9, 0.99), 0.001, 0.1)
torch.optim.Rprop([p(2)], 0.1, (0.5, 1.2), (0.001, 50))
torch.optim.ASGD([p(2)], 0.1, 0.1, 0.1, 100.0)
torch.optim.SGD([p(2)], 0.1).add_param_group({'params': [p(3)]})
torch.optim.SGD([p(2)], 0.1).load_state_dict({'state': {}, 'param_groups': []})
torch.optim.SGD([p(2)], 0.1).step(None)
torch.optim.lr_scheduler.StepLR(sgd(), 3, 0.1)
torch.optim.lr_scheduler.MultiStepLR(sgd(), [3, 5], 0.1)
torch.optim.lr_scheduler.ExponentialLR(sgd(), 0.1)
torch.optim.lr_scheduler.CosineAnnealingLR(sgd(), 3, 0.1)
torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(sgd(), 3, 2, 0.1)
torch.optim.lr_scheduler.LinearLR(sgd(), 0.5, 1.0, 3)
torch.optim.lr_scheduler.ConstantLR(sgd(), 0.5, 3)
torch.optim.lr_scheduler.PolynomialLR(sgd(), 3, 2.0)
torch.optim.lr_scheduler.LambdaLR(sgd(), float)
torch.optim.lr_scheduler.CyclicLR(sgd(), 0.1, 0.2, 3, mode='triangular', cycle_momentum=False)
torch.optim.lr_scheduler.OneCycleLR(sgd(), 0.1, 10, pct_start=0.3, anneal_strategy='cos')
torch.optim.lr_scheduler.ReduceLROnPlateau(sgd(), 'min', 0.5, 3, 0.1, 'rel')
data.TensorDataset(f(4, 3), i(4))
data.Subset([1, 2, 3], [0, 1])
data.ConcatDataset([[1, 2], [3]])
data.random_split([1, 2, 3], [1, 2])
data.RandomSampler([1, 2, 3], False, 2)
data.WeightedRandomSampler([0.5, 0.5], 2, True)
data.BatchSampler([1, 2, 3], 2, False)
data.DataLoader([1, 2, 3], 2, False, num_workers=0, drop_last=False)
data.DataLoader([1, 2, 3], batch_size=2, shuffle=True, timeout=0)
data.default_collate([f(2), f(2)])
torch.autograd.grad(p(1) * 2, p(1), allow_unused=True)
torch.autograd.backward(p(1) * 2)
(p(2) * 2).sum().backward(None, True)
(p(2) * 2).backward(f(2))
torch.set_grad_enabled(True)
torch.set_default_dtype(torch.float32)
"""

TENSORS = {"f", "i", "b", "d", "p"}
SCALARS = {
    bool: ["1", "0.5", "'x'", "None", "b()", "f(2)"],
    int: ["True", "1.5", "'1'", "None", "-1", "-9", "0", "99", "[1]", "(1, 1, 1, 1, 1)", "i()"]
    + ["f()", "i(2)", "nan"],
    float: ["True", "2", "'1.0'", "None", "-1.0", "nan", "[0.5]", "f(2)", "d()", "torch.float32"],
    str: ["'foo'", "1", "None", "True", "['mean']"],
    type(None): ["1", "'x'", "f(2)", "True", "[]"],
}


def is_tensor(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TENSORS
    )


def of_shape(kind: str, shape: list[int]) -> str:
    return f"{kind}({', '.join(map(str, shape))})"


def tensor_variants(node: ast.Call) -> list[str]:
    """Tensors of other ranks, sizes and types."""
    kind, shape = node.func.id, [ast.literal_eval(a) for a in node.args]
    shapes = [[*shape, 2], [5, *shape], [], [0]]
    if shape:
        shapes += [shape[1:], [*shape[:-1], shape[-1] + 1], [shape[0] + 1, *shape[1:]]]
        shapes += [[*shape[:-1], 0], [0, *shape[1:]]]
    variants = [of_shape(kind, s) for s in shapes if s != shape]
    return variants + [of_shape(k, shape) for k in "fibd" if k != kind]


def variants(node: ast.AST) -> list[str]:
    """Wrong values in place of an argument."""
    if is_tensor(node):
        return tensor_variants(node) + ["None", "1", "1.5", "'x'", "[1.0, 2.0]", "True", "object()"]
    if isinstance(node, ast.UnaryOp):
        return SCALARS[type(ast.literal_eval(node))]
    if isinstance(node, ast.Constant):
        return SCALARS[type(node.value)]
    if isinstance(node, (ast.Tuple, ast.List)):
        items = [ast.unparse(e) for e in node.elts]
        inner = ["None", "'x'"] if any(map(is_tensor, node.elts)) else \
            ["None", "'x'", "True", "1.5", "-1", "0", "99"]  # fmt: skip
        lists = [[], items[1:], [*items, items[-1]] if items else ["1"]]
        lists += [[wrong, *items[1:]] for wrong in inner]
        return [f"[{', '.join(v)}]" for v in lists] + ["None", "2", "1.5", "'x'", "f(2)", "i(2)"]
    if isinstance(node, ast.Attribute):
        return ["None", "'float32'", "1", "True", "torch.int64", "f(2)", "[]"]
    if isinstance(node, ast.Dict):
        return ["None", "1", "{}", "[]", "{'x': 1}"]
    return ["None", "1", "'x'", "[]", "f(2)"]


def calls_in(node: ast.AST) -> list[ast.Call]:
    """The calls whose arguments are changed: the outer one, and those that it is called on."""
    found = []
    while isinstance(node, (ast.Call, ast.Attribute, ast.BinOp)):
        if isinstance(node, ast.Call):
            found.append(node)
            node = node.func
        else:
            node = node.value if isinstance(node, ast.Attribute) else node.left
    return found


def wrong_forms(text: str) -> list[str]:
    """The wrong calls that are made of a sound one."""
    tree = ast.parse(text, mode="eval")
    out = []

    def take(owner, name, at, new) -> None:
        slot = getattr(owner, name)
        old = slot if at is None else slot[at]
        new = ast.parse(new, mode="eval").body
        if at is None:
            setattr(owner, name, new)
        else:
            slot[at] = new
        out.append(ast.unparse(tree))
        if at is None:
            setattr(owner, name, old)
        else:
            slot[at] = old

    for call in calls_in(tree.body):
        if is_tensor(call):
            whole = list(call.args), call.func.id
            for v in tensor_variants(call):
                new = ast.parse(v, mode="eval").body
                call.args, call.func.id = new.args, new.func.id
                out.append(ast.unparse(tree))
                call.args, call.func.id = whole
            continue
        for at, argument in enumerate(call.args):
            for v in variants(argument):
                take(call, "args", at, v)
        for keyword in call.keywords:
            for v in variants(keyword.value):
                take(keyword, "value", None, v)
        args, keywords = call.args, call.keywords
        for at in range(len(args)):
            call.args = args[:at] + args[at + 1 :]
            out.append(ast.unparse(tree))
        for more in ("None", "f(2)", "1, 1, 1, 1, 1, 1, 1, 1, 1"):
            call.args = args + ast.parse(f"g({more})", mode="eval").body.args
            out.append(ast.unparse(tree))
        call.args = args
        call.keywords = [*keywords, ast.keyword("foo", ast.Constant(1))]
        out.append(ast.unparse(tree))
        call.keywords = keywords
    return out


def names(torch, numpy) -> dict:
    """What the calls' names stand for."""
    import operator

    def make(dtype, wrap):
        def tensor(*shape):
            count = int(numpy.prod(shape, dtype=int))
            return torch.tensor(wrap(numpy.arange(count)).reshape(shape).tolist(), dtype=dtype)

        def sized(*shape):
            out = tensor(*shape)
            return out if out.shape == shape else out.reshape(shape)

        return sized

    def p(*shape):
        return torch.ones(shape, requires_grad=True)

    return {
        "torch": torch, "nn": torch.nn, "F": torch.nn.functional, "data": torch.utils.data,
        "f": make(torch.float32, lambda a: (a % 7) / 7 + 0.1),
        "d": make(torch.float64, lambda a: (a % 7) / 7 + 0.1),
        "i": make(torch.int64, lambda a: a % 3),
        "b": make(torch.bool, lambda a: a % 2 == 0),
        "p": p, "sgd": lambda: torch.optim.SGD([p(2)], 0.1, momentum=0.5),
        "operator": operator, "nan": float("nan"),
    }  # fmt: skip


SHORT = {"float32": "f", "float64": "d", "int64": "i", "bool": "b", "uint8": "u"}


def described(value, tensor_type) -> str:
    """The types and shapes of tensors within a result; nothing of other things."""
    if isinstance(value, tensor_type):
        dtype = str(value.dtype).removeprefix("torch.")
        return SHORT.get(dtype, dtype) + "x".join(map(str, value.shape))
    if isinstance(value, (tuple, list)) and any(isinstance(v, tensor_type) for v in value):
        return "(" + ",".join(described(v, tensor_type) for v in value) + ")"
    return ""


def answer(text: str, scope: dict) -> str:
    """What a call does: the exception's kind, or `=` and the result's type and shape."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = eval(text, dict(scope))  # noqa: S307 (the calls are this file's)
            return "=" + described(value, scope["torch"].Tensor)
        except Exception as error:
            kinds = [k.__name__ for k in type(error).__mro__ if hasattr(builtins, k.__name__)]
            return kinds[0]


# One letter for each frequent kind in the golden file.
LETTERS = {"TypeError": "T", "RuntimeError": "R", "ValueError": "V", "IndexError": "I"}
KINDS = {letter: kind for kind, letter in LETTERS.items()}


# PyTorch's Python raises these by accident, where it meets a value that it did not check.
ACCIDENTS = {"AttributeError", "ZeroDivisionError", "UnboundLocalError"}


def record(torch, numpy) -> None:
    """Write PyTorch's answers."""
    torch.set_num_threads(1)
    scope = names(torch, numpy)
    lines = []
    for text in filter(None, CALLS.splitlines()):
        answers = (answer(form, scope) for form in [text, *wrong_forms(text)])
        lines.append(" ".join(LETTERS.get(a, a) for a in answers))
    GOLDEN.write_text(f"# PyTorch {torch.__version__}\n" + "\n".join(lines) + "\n")


def same(wanted: str, got: str) -> bool:
    """Whether both answer alike: the same result, or exceptions that the same code catches."""
    if wanted == got or (wanted in ACCIDENTS and got[0] != "="):
        return True
    if wanted[0] == "=":
        return got == "NotImplementedError"
    if got[0] == "=":
        return False
    a, b = getattr(builtins, wanted), getattr(builtins, got)
    return issubclass(b, a) or issubclass(a, b)


def difference(wanted: str, got: str) -> str:
    """Name the kind of a difference."""
    if wanted[0] == "=":
        return "result" if got[0] == "=" else "refused"
    return "accepted" if got[0] == "=" else "kind"


def differences(torch, numpy, every: int = 1):
    """Compare answers; yields (call, PyTorch's answer, this library's)."""
    number = 0
    calls = list(filter(None, CALLS.splitlines()))
    lines = GOLDEN.read_text().splitlines()[1:]
    assert len(lines) == len(calls), "run `wrong_calls.py record` again"
    scope = names(torch, numpy)
    for text, line in zip(calls, lines, strict=True):
        for form, recorded in zip([text, *wrong_forms(text)], line.split(" "), strict=True):
            number += 1
            if number % every:
                continue
            wanted = KINDS.get(recorded, recorded)
            got = answer(form, scope)
            if not same(wanted, got):
                yield form, wanted, got


def main() -> None:
    """Record or replay."""
    import numpy

    if sys.argv[1:] == ["record"]:
        import torch

        return record(torch, numpy)
    import ballast.torch

    ballast.torch.install()
    import torch

    counts = collections.Counter()
    for form, wanted, got in differences(torch, numpy):
        kind = difference(wanted, got)
        counts[kind] += 1
        print(f"{kind}: {form}: {wanted} in PyTorch, {got} here")
    print(dict(counts))


if __name__ == "__main__":
    main()
