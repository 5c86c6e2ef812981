"""`torch.sparse` as graph networks use it."""

from . import error_of


def _matrix(torch, values=(3.0, 4.0, 5.0, 6.0), **options):
    places = torch.tensor([[0, 1, 1, 1], [2, 0, 2, 2]])
    return torch.sparse_coo_tensor(places, torch.tensor(values), (2, 3), **options)


def case_forms(torch):
    a = _matrix(torch)
    c = a.coalesce()
    return [
        *(a.to_dense(), c.indices(), c.values(), a.is_coalesced(), c.is_coalesced(), a._nnz()),
        *(list(a.shape), a.size(1), a.dim(), str(a.layout), a.is_sparse, a.t().to_dense()),
        *((a * 2).to_dense(), (a + a).to_dense(), torch.sparse.sum(a), (-a).to_dense()),
        *(isinstance(a, torch.Tensor), torch.eye(3).to_sparse().coalesce().indices()),
        torch.sparse_coo_tensor([[1, 0]], [2.0, 3.0]).to_dense(),
        torch.eye(3).to_sparse_csr().crow_indices(),
        torch.sparse_csr_tensor([0, 1, 3], [2, 0, 1], [1.0, 2.0, 3.0], (2, 3)).to_dense(),
    ]


def case_products(torch):
    a, x = _matrix(torch), torch.arange(6.0).view(3, 2)
    products = [torch.sparse.mm(a, x), torch.spmm(a, x), torch.mm(a, x), a @ x, a.matmul(x)]
    csr = _matrix(torch).coalesce().to_dense().to_sparse_csr()
    return [*products, a @ x[:, 0], csr @ x]


def case_gradients(torch):
    values = torch.tensor([3.0, 4.0, 5.0, 6.0], requires_grad=True)
    x = torch.arange(6.0).view(3, 2).requires_grad_()
    places = torch.tensor([[0, 1, 1, 1], [2, 0, 2, 2]])
    a = torch.sparse_coo_tensor(places, values, (2, 3))
    (torch.sparse.mm(a, x) ** 2).sum().backward()
    return [values.grad, x.grad]


def case_errors(torch):
    def make(places, values, size):
        options = {"check_invariants": True}
        parts = torch.tensor(places), torch.tensor(values)
        return lambda: torch.sparse_coo_tensor(*parts, size, **options)

    return [
        error_of(make([[0, 3]], [1.0, 2.0], (3,))),
        error_of(make([[0, -1]], [1.0, 2.0], (3,))),
        error_of(lambda: _matrix(torch).values()),
    ]
