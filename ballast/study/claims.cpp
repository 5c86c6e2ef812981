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
     gradient_flow},
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
    {"placement", "Before the activation", "Batch normalization belongs before the activation.",
     "The same networks with batch normalization before and after each ReLU.",
     "Ioffe & Szegedy (2015) put it before, where values are closer to a normal distribution. "
     "Mishkin, "
     "Sergievskiy & Matas (2017, arXiv:1606.02228) measured on ImageNet that after is as good or a "
     "little better for ReLU.",
     placement},
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
