"""Linear algebra: values against NumPy, derivatives against finite differences."""

import math

import numpy as np
import pytest

import ballast as torch
from ballast.autograd import gradcheck, gradgradcheck

LA = torch.linalg


def matrix(*shape, seed=0, grad=True):
    x = np.random.default_rng(seed).standard_normal(shape)
    return torch.from_numpy(x).requires_grad_(grad)


def well(*shape, seed=0):
    """Square matrices far from singular."""
    x = np.random.default_rng(seed).standard_normal(shape) + 4 * np.eye(shape[-1])
    return torch.from_numpy(x).requires_grad_()


def positive(a):
    return a @ a.mT + torch.eye(a.shape[-1], dtype=a.dtype)


def symmetric(a):
    return a + a.mT


SQUARE = [(1, 1), (2, 2), (5, 5), (3, 4, 4), (2, 2, 3, 3)]
ANY = [(1, 1), (3, 3), (5, 3), (3, 5), (2, 4, 3), (2, 3, 4)]


def close(got, want, atol=1e-12):
    np.testing.assert_allclose(got.detach().numpy(), want, rtol=1e-9, atol=atol)


# Functions of a square matrix that are smooth where it is far from singular.
SMOOTH = {
    "inv": LA.inv,
    "det": LA.det,
    "slogdet": lambda a: LA.slogdet(a)[1],
    "cholesky": lambda a: LA.cholesky(positive(a)),
    "cholesky upper": lambda a: LA.cholesky(positive(a), upper=True),
    "cholesky_inverse": lambda a: torch.cholesky_inverse(a.tril()),
    "cholesky_solve": lambda a: torch.cholesky_solve(a, a.triu(), upper=True),
    "lu_factor": lambda a: LA.lu_factor(a)[0],
    "lu": lambda a: LA.lu(a)[1:],
    "lu_solve": lambda a: LA.lu_solve(*LA.lu_factor(a), a),
    "lu_solve adjoint": lambda a: LA.lu_solve(*LA.lu_factor(a), a, adjoint=True, left=False),
    "solve": lambda a: LA.solve(a, a.mT),
    "solve right": lambda a: LA.solve(a, a.mT, left=False),
    "triangular": lambda a: LA.solve_triangular(a, a.mT, upper=True),
    "triangular right unit": lambda a: LA.solve_triangular(
        a, a.mT, upper=False, left=False, unitriangular=True
    ),
    "eigvalsh": lambda a: LA.eigvalsh(symmetric(a)),
    "eigh": lambda a: (lambda w, v: (w, v @ w.exp().diag_embed() @ v.mT))(*LA.eigh(symmetric(a))),
    "matrix_exp": LA.matrix_exp,
    "matrix_sqrth": lambda a: LA.matrix_sqrth(positive(a)),
    "polar": lambda a: tuple(LA.polar(a)),
    "matrix_power": lambda a: LA.matrix_power(a, 3),
    "matrix_power -2": lambda a: LA.matrix_power(a, -2),
    "cond 1": lambda a: LA.cond(a, 1),
}


@pytest.mark.parametrize("shape", SQUARE, ids=str)
@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_of_functions_of_square_matrices(name, shape):
    assert gradcheck(SMOOTH[name], (well(*shape),))


@pytest.mark.parametrize("name", [n for n in SMOOTH if n != "cond 1"])
def test_second_derivatives(name):
    assert gradgradcheck(SMOOTH[name], (well(2, 3, 3),))


GENERAL = {
    "qr": lambda a: LA.qr(a),
    "svdvals": LA.svdvals,
    "svd": lambda a: (lambda u, s, v: (s, u @ s.exp().diag_embed() @ v))(*LA.svd(a, False)),
    "svd full": lambda a: LA.svd(a)[1],
    "pinv": LA.pinv,
    "lu_factor": lambda a: LA.lu_factor(a)[0],
    "lstsq": lambda a: LA.lstsq(a, a.cos()).solution,
    "nuc": lambda a: LA.matrix_norm(a, "nuc"),
    "cond": LA.cond,
}


@pytest.mark.parametrize("shape", ANY, ids=str)
@pytest.mark.parametrize("name", GENERAL)
def test_derivatives_of_functions_of_any_matrices(name, shape):
    assert gradcheck(GENERAL[name], (matrix(*shape, seed=3),))


@pytest.mark.parametrize("shape", [(3, 3), (4, 2)], ids=str)
@pytest.mark.parametrize("name", [n for n in GENERAL if n != "cond"])
def test_second_derivatives_of_functions_of_any_matrices(name, shape):
    assert gradgradcheck(GENERAL[name], (matrix(*shape, seed=3),))


def test_the_determinant_of_a_singular_matrix_has_a_derivative():
    a = torch.tensor([[1.0, 2, 3], [2, 4, 6], [1, 1, 1]], dtype=torch.float64, requires_grad=True)
    assert gradcheck(LA.det, (a,))


def test_eigenvalues_of_a_multiple_of_the_identity_have_derivatives():
    a = torch.eye(3, dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad(LA.eigh(a)[0].sum(), a)
    close(g, np.eye(3))
    (g,) = torch.autograd.grad(LA.svd(a)[1].sum(), a)
    close(g, np.eye(3))


@pytest.mark.parametrize("shape", ANY + [(40, 30), (30, 40)], ids=str)
def test_factors_multiply_to_the_matrix(shape):
    a = matrix(*shape, grad=False)
    m, n = shape[-2:]
    for complete in ("reduced", "complete"):
        q, r = LA.qr(a, complete)
        close(q @ r, a.numpy())
        close(q.mT @ q, np.broadcast_to(np.eye(q.shape[-1]), (q.mT @ q).shape))
        close(r, r.triu().numpy())
    for full in (True, False):
        u, s, vh = LA.svd(a, full)
        k = min(m, n)
        close(u[..., :k] @ s.diag_embed() @ vh[..., :k, :], a.numpy())
        close(u.mT @ u, np.broadcast_to(np.eye(u.shape[-1]), (u.mT @ u).shape))
        close(vh @ vh.mT, np.broadcast_to(np.eye(vh.shape[-2]), (vh @ vh.mT).shape))
        close(s, np.linalg.svd(a.numpy(), compute_uv=False))
    p, lower, upper = LA.lu(a)
    close(p @ lower @ upper, a.numpy())
    close(LA.pinv(a), np.linalg.pinv(a.numpy()))
    close(LA.qr(a)[1], np.linalg.qr(a.numpy())[1])


@pytest.mark.parametrize("n", [1, 2, 7, 50, 120])
def test_symmetric_factors_multiply_to_the_matrix(n):
    a = symmetric(matrix(2, n, n, grad=False))
    w, v = LA.eigh(a)
    close(v @ w.diag_embed() @ v.mT, a.numpy(), 1e-11)
    close(w, np.linalg.eigvalsh(a.numpy()), 1e-11)
    assert (w.diff() >= 0).all()
    b = positive(a)
    lower = LA.cholesky(b)
    close(lower @ lower.mT, b.numpy(), 1e-9)
    ld, pivots = LA.ldl_factor(a)
    rhs = matrix(2, n, 3, seed=5, grad=False)
    close(a @ LA.ldl_solve(ld, pivots, rhs), rhs.numpy(), 1e-8)
    close(LA.solve(b, rhs), np.linalg.solve(b.numpy(), rhs.numpy()), 1e-10)


def test_rank_deficient_matrices_have_orthonormal_factors():
    a = torch.ones(4, 3, dtype=torch.float64)
    for x in (a, a.mT, torch.zeros(3, 3, dtype=torch.float64)):
        u, s, vh = LA.svd(x)
        close(u @ u.mT, np.eye(u.shape[0]))
        close(vh @ vh.mT, np.eye(vh.shape[0]))
        assert LA.matrix_rank(x) == int(np.linalg.matrix_rank(x.numpy()))
    close(LA.pinv(a), np.linalg.pinv(a.numpy()))
    close(LA.lstsq(a, torch.ones(4, 1, dtype=torch.float64)).solution, np.full((3, 1), 1 / 3))


def test_reflections():
    a = matrix(2, 5, 3, grad=False)
    r, tau = torch.geqrf(a)
    q = LA.householder_product(r, tau)
    close(q, LA.qr(a)[0].numpy())
    full = LA.qr(a, "complete")[0]
    b = matrix(2, 5, 4, seed=2, grad=False)
    close(torch.ormqr(r, tau, b), (full @ b).numpy())
    close(torch.ormqr(r, tau, b, True, True), (full.mT @ b).numpy())
    close(torch.ormqr(r, tau, b.mT, False), (b.mT @ full).numpy())
    v = torch.tensor([0.5, 1.2, 0.3], dtype=torch.float64, requires_grad=True)
    x = matrix(4, 3)
    assert gradcheck(LA.householder_product, (x, v))
    assert gradcheck(lambda x, v: torch.ormqr(x, v, x), (x, v))


def test_norms():
    a = matrix(2, 3, 4, grad=False)
    for order in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf):
        want = [np.linalg.norm(m, order) for m in a.numpy()]
        close(LA.matrix_norm(a, order), want)
        assert LA.matrix_norm(a, order, (0, 2), True).shape == (1, 3, 1)
        close(LA.norm(a, order, (1, 2)), want)
    close(LA.norm(a), np.linalg.norm(a.numpy().ravel()))
    s = well(3, 3).detach()
    for order in (None, "fro", "nuc", 1, -1, 2, -2, math.inf):
        close(LA.cond(s, order), np.linalg.cond(s.numpy(), order))
    assert LA.cond(torch.zeros(2, 2), 1) == math.inf


def test_products_and_tensors():
    a, b, c = matrix(3, 4), matrix(4, 5, seed=1), matrix(5, 2, seed=2)
    close(LA.multi_dot([a, b, c]), (a @ b @ c).detach().numpy())
    close(LA.multi_dot([a[0], b, c[:, 0]]), (a[0] @ b @ c[:, 0]).detach().numpy())
    t = matrix(2, 3, 6, grad=False)
    close(LA.tensorinv(t), np.linalg.tensorinv(t.numpy()))
    x = matrix(2, 3, grad=False, seed=7)
    close(LA.tensorsolve(t, x), np.linalg.tensorsolve(t.numpy(), x.numpy()))
    moved = matrix(6, 2, 3, grad=False)
    close(LA.tensorsolve(moved, x, (0,)), np.linalg.tensorsolve(moved.numpy(), x.numpy(), (0,)))
    close(LA.vander(x[0], N=4), np.vander(x[0].numpy(), 4, increasing=True))
    close(LA.cross(x, x.flip(0)), np.cross(x.numpy(), x.flip(0).numpy()))


def test_exponentials_of_matrices_of_all_sizes():
    for size in (1e-3, 1.0, 30.0):
        a = symmetric(matrix(4, 4, grad=False)) * (size / 4)
        w, v = np.linalg.eigh(a.numpy())
        want = v @ np.diag(np.exp(w)) @ v.T
        np.testing.assert_allclose(LA.matrix_exp(a).numpy(), want, rtol=0, atol=1e-12 * want.max())


def test_roots_and_polar_factors():
    a = positive(matrix(2, 5, 5, grad=False))
    root = LA.matrix_sqrth(a)
    close(root @ root, a.numpy())
    one = torch.eye(3, dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad(LA.matrix_sqrth(one).sum(), one)
    close(g, np.full((3, 3), 0.5))
    b = matrix(5, 3)
    u, h = LA.polar(b)
    close(u @ h, b.detach().numpy())
    close(u.mT @ u, np.eye(3))
    assert gradcheck(lambda b: tuple(LA.polar(b)), (b,))


def test_single_precision_is_rounded_once():
    a = well(30, 30).detach()
    x = LA.inv(a.float())
    assert x.dtype is torch.float32
    want = np.linalg.inv(a.float().double().numpy()).astype(np.float32)
    np.testing.assert_allclose(x.numpy(), want, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LA.inv(torch.zeros(2, 2)), "singular"),
        (lambda: LA.solve(torch.ones(2, 2), torch.ones(2, 1)), "singular"),
        (lambda: LA.cholesky(-torch.eye(2)), "not positive-definite"),
        (lambda: LA.inv(torch.stack([torch.eye(2), torch.zeros(2, 2)])), r"Batch element 1"),
        (lambda: LA.eigh(torch.full((2, 2), math.nan)), "converge"),
        (lambda: LA.svd(torch.full((2, 2), math.inf)), "converge"),
    ],
)
def test_matrices_without_an_answer_raise_at_the_call(call, message):
    with pytest.raises(LA.LinAlgError, match=message):
        call()
    assert issubclass(LA.LinAlgError, RuntimeError)


def test_infos_instead_of_errors():
    both = torch.stack([torch.eye(2), torch.zeros(2, 2)])
    assert LA.inv_ex(both).info.tolist() == [0, 1]
    assert LA.solve_ex(both, torch.ones(2, 1)).info.tolist() == [0, 1]
    assert LA.cholesky_ex(both).info.tolist() == [0, 1]
    assert LA.lu_factor_ex(both).info.tolist() == [0, 1]


def test_shapes_that_do_not_fit_raise():
    for call in (
        lambda: LA.inv(torch.ones(2, 3)),
        lambda: LA.solve(torch.eye(2), torch.ones(3, 1)),
        lambda: LA.det(torch.ones(2)),
        lambda: LA.multi_dot([torch.ones(2, 3), torch.ones(2, 3)]),
        lambda: LA.qr(torch.ones(2, 3), "other"),
        lambda: LA.matrix_norm(torch.ones(2, 3), "other"),
        lambda: LA.inv(torch.ones(2, 2, dtype=torch.int64)),
    ):
        with pytest.raises(RuntimeError):
            call()


def test_empty_batches_and_matrices():
    assert LA.inv(torch.zeros(0, 3, 3)).shape == (0, 3, 3)
    assert LA.det(torch.zeros(0, 0)) == 1
    assert LA.svdvals(torch.zeros(2, 0, 3)).shape == (2, 0)
    assert LA.solve(torch.zeros(2, 0, 0), torch.zeros(2, 0, 3)).shape == (2, 0, 3)
    assert LA.pinv(torch.zeros(0, 3)).shape == (3, 0)
