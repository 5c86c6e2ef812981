import common
import optuna
import torch

optuna.logging.set_verbosity(optuna.logging.WARNING)
x, y = common.images()


def objective(trial):
    model = common.network()
    lr = trial.suggest_float("lr", 1e-3, 1e-1, log=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for i in range(3):
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        trial.report(loss.item(), i)
        if trial.should_prune():
            raise optuna.TrialPruned
    return loss.item()


study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
study.optimize(objective, n_trials=5)
for trial in study.trials:
    common.show(trial.params["lr"], list(trial.intermediate_values.values())[-1])
