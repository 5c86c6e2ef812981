#include "ballast/study/claims.h"

#include <algorithm>

namespace ballast::study {
namespace {

constexpr Claim kClaims[] = {
    {"convergence", "Fewer epochs to an accuracy",
     "Networks with batch normalization reach an accuracy in fewer epochs.",
     "Trainings with and without batch normalization at several learning rates, from the same "
     "initial weights and in the same order of samples; counted are the epochs until the test "
     "accuracy first reaches the target.",
     "Ioffe & Szegedy (2015, arXiv:1502.03167) trained an Inception network to the accuracy of its "
     "unnormalized twin in 14 times fewer steps, with a learning rate raised at the same time. "
     "Bjorck et al. (2018, arXiv:1806.02375) find that much of the gain is that larger rates "
     "become usable; at equal small rates both train alike.",
     convergence},
    {"overfitting", "Less overfitting, and dropout replaced",
     "Batch normalization regularizes: the gap between training and test becomes smaller, and "
     "dropout "
     "is not needed any more.",
     "Trainings on few samples with and without batch normalization, dropout (1/2) and weight "
     "decay "
     "(0.001).",
     "Ioffe & Szegedy (2015) could leave dropout out of Inception. The noise of batch statistics "
     "acts "
     "as a regularizer (Luo et al. 2019, arXiv:1809.00846). Li et al. (2019, arXiv:1801.05134) "
     "find "
     "that dropout before a batch normalization shifts the variance between training and test and "
     "often harms; behind the last one it helps a little.",
     overfitting},
    {"learning-rate", "Higher learning rates",
     "Networks with batch normalization train at higher learning rates.",
     "The highest rate at which a few epochs of training still reach 80 % of the training samples, "
     "found by bisection on a logarithmic scale, for each seed.",
     "Ioffe & Szegedy (2015) raised the rate of Inception 30-fold. Bjorck et al. (2018) explain "
     "the "
     "limit without it: activations grow along the layers, and with them the gradients, so that a "
     "step overshoots. The scale of weights before a normalization does not change its output, and "
     "gradients shrink as they grow (van Laarhoven 2017, arXiv:1706.05350; Arora, Li & Lyu 2019, "
     "arXiv:1812.03981), which tunes the effective rate by itself.",
     learning_rate},
    {"gradient-flow", "Gradients reach the first layers of deep networks",
     "In deep plain networks gradients vanish or explode unless batch normalization keeps their "
     "size, "
     "so that such networks train only with it.",
     "Plain networks of 10, 20 and 40 layers: the norm of the loss's gradient by each layer's "
     "weight "
     "before training; then trainings at several rates, of which each network's best counts.",
     "He et al. (2015, arXiv:1502.01852) train 30 plain layers without normalization by an "
     "initialization made for ReLU. Schoenholz et al. (2017, arXiv:1611.01232) show that depth is "
     "limited by how far signals travel, which the initialization decides. Yang et al. (2019, "
     "arXiv:1902.08129) show that batch normalization itself makes gradients explode with depth in "
     "networks without shortcuts at initialization, by a factor of about 1.2 a layer for ReLU.",
     gradient_flow, "depth is what is varied"},
    {"inputs", "Inputs of any scale and shift",
     "With batch normalization a network does not mind how its inputs are scaled and shifted.",
     "Inputs multiplied by 0.01 to 100 and moved by up to 100: in training and test alike; and "
     "only in "
     "the test of networks that were trained on the inputs as they are.",
     "Invariance holds while statistics are the batch's own. In the test they are those of the "
     "training: Schneider et al. (2020, arXiv:2006.16971) and Nado et al. (2020, arXiv:2006.10963) "
     "find "
     "that networks with batch normalization lose much under shifted inputs, and regain much of it "
     "by "
     "the statistics of the test's own batches.",
     input_distributions},
    {"initialization", "Any initial weights",
     "With batch normalization training does not depend on the initial weights.",
     "Trainings from normal weights of standard deviation 0.001 to 10, zeros, orthogonal, "
     "Kaiming's and "
     "PyTorch's weights, at several rates, of which each network's best counts.",
     "Ioffe & Szegedy (2015) note that the scale of weights does not pass a normalization. Zhang, "
     "Dauphin & Ma (2019, arXiv:1901.09321) show that with an initialization made for it even very "
     "deep residual networks need no normalization. No normalization tells apart units that begin "
     "alike: from zeros nothing can be learnt but the bias.",
     initialization},
    {"batch-size", "Large batches needed",
     "Batch normalization needs batches that are large enough.",
     "Trainings with batches of 2 to 512 samples, the learning rate in proportion (Goyal et al. "
     "2017, "
     "arXiv:1706.02677); the error of a batch's statistics against theory, the noise of its "
     "gradient, "
     "time and memory of a step.",
     "Ioffe (2017, arXiv:1702.03275) and Wu & He (2018, arXiv:1803.08494) find that accuracy falls "
     "below "
     "8 to 16 samples; Wu & Johnson (2021, arXiv:2105.07576) put much of it down to the difference "
     "between batch statistics in training and running ones in the test. Smith et al. (2020, "
     "arXiv:2006.15081) show that the noise of small batches helps in the test; Keskar et al. "
     "(2017, "
     "arXiv:1609.04836) that large ones generalize worse.",
     batch_size},
    {"generalization", "Better generalization",
     "Networks with batch normalization generalize better.",
     "Test accuracy in the end, each network at the rate that fits the training samples best; and "
     "after the first epoch at which both have come to the same training loss.",
     "Luo et al. (2019, arXiv:1809.00846) derive a regularization from the noise of the "
     "statistics, that "
     "acts like an adaptive weight decay; Bjorck et al. (2018, arXiv:1806.02375) find that "
     "networks trained at rates small enough for both generalize alike, and that larger rates are "
     "what "
     "helps.",
     generalization},
    {"covariate-shift", "Less internal covariate shift",
     "Batch normalization reduces internal covariate shift, and that is why it helps.",
     "Every few steps: how much a layer's gradient changes because the layers before it made their "
     "step, and how far the means of the units have moved; of a network without, with, and with "
     "noise "
     "after each batch norm that moves distributions on purpose.",
     "The reason that Ioffe & Szegedy (2015) gave. Santurkar et al. (2018, arXiv:1805.11604), "
     "whose "
     "measures these are, find no less shift with batch normalization, and that noise after it, "
     "which makes the shift worse, harms training little.",
     covariate_shift,
     "the steps of single layers are undone and their units looked at, one layer after the other"},
    {"smoothness", "A smoother loss", "Batch normalization makes the loss smoother.",
     "Every few steps the loss and its gradient are looked at along the gradient, from half to "
     "four "
     "times the learning rate: the range of the loss, and how much the gradient changes.",
     "Santurkar et al. (2018, arXiv:1805.11604) propose this in the place of covariate shift and "
     "prove "
     "smaller Lipschitz constants of loss and gradient for a layer followed by batch "
     "normalization. "
     "Ghorbani, Krishnan & Xiao (2019, arXiv:1901.10159) see large outliers of the Hessian's "
     "spectrum "
     "vanish with it.",
     smoothness, "the same trainings as for the covariate shift are looked at"},
    {"placement", "Before the activation", "Batch normalization belongs before the activation.",
     "The same networks with batch normalization before and after each ReLU.",
     "Ioffe & Szegedy (2015) put it before, where values are closer to a normal distribution. "
     "Mishkin, "
     "Sergievskiy & Matas (2017, arXiv:1606.02228) measured on ImageNet that after is as good or a "
     "little better for ReLU.",
     placement, "a network is built in one way only, and depth is varied"},
    {"scale-and-shift", "The learnable scale and shift",
     "Batch normalization needs its learnable scale and shift.",
     "The same networks with the scale and shift learnt, and left out.",
     "Ioffe & Szegedy (2015) add them so that a layer can still be the identity. Frankle, Schwab & "
     "Morcos (2021, arXiv:2003.00152) show how much they can do alone, all other weights left at "
     "random; Xu et al. (2019, arXiv:1911.07013) that for layer normalization they may even "
     "overfit.",
     scale_and_shift},
    {"extremes", "Robust against extreme values",
     "Batch normalization makes networks robust against extreme input values.",
     "Training with 1 % of the samples multiplied by up to a million, tested on samples as they "
     "are; "
     "and batches with one such sample, asked for the others.",
     "Mean and variance have a breakdown point of zero (Huber 1981): a single value large enough "
     "decides both. Robust variants use other norms (Hoffer et al. 2018, arXiv:1803.01814, for "
     "numerical reasons).",
     extremes},
    {"co-adaptation", "Less dependence between neurons",
     "With batch normalization the neurons of a layer depend less on each other.",
     "Correlations of the hidden units on the test samples, the dimensions they span "
     "(participation "
     "ratio), and test accuracy with a part of each layer's units switched off; dropout (1/2) for "
     "comparison.",
     "Hinton et al. (2012, arXiv:1207.0580) gave dropout the aim to prevent co-adaptation. Morcos "
     "et al. "
     "(2018, arXiv:1803.06959) find that networks with batch normalization rely less on single "
     "directions. Daneshmand et al. (2020, arXiv:2003.01652) show that it keeps the rank of hidden "
     "layers in deep networks.",
     co_adaptation,
     "units of hidden layers are looked at and switched off, one layer after the other"},
    {"variants", "Better variants for small batches",
     "At small batch sizes other normalizations do better than batch normalization.",
     "The same trainings with batch, ghost, group and layer normalization, batch renormalization "
     "(its "
     "limits growing in a hundredth of the paper's steps) and without any, at each batch size.",
     "Batch renormalization (Ioffe 2017, arXiv:1702.03275) and group normalization (Wu & He 2018, "
     "arXiv:1803.08494) were made for small batches, layer normalization (Ba, Kiros & Hinton 2016, "
     "arXiv:1607.06450) for recurrent networks; ghost batch normalization (Hoffer, Hubara & Soudry "
     "2017, "
     "arXiv:1705.08741) brings the noise of small batches to large ones.",
     variants},
};

}  // namespace

std::span<const Claim> claims() { return kClaims; }

const Claim& claim(const std::string& name) {
  const auto* it = std::find_if(std::begin(kClaims), std::end(kClaims),
                                [&](const Claim& c) { return c.name == name; });
  check<KeyError>(it != std::end(kClaims), "there is no claim \"{}\"; there are {}", name,
                  claim_names());
  return *it;
}

std::string claim_names() {
  std::string out;
  for (const Claim& c : kClaims) out += (out.empty() ? "" : ", ") + std::string(c.name);
  return out;
}

}  // namespace ballast::study
