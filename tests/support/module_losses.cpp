// Losses by name. Only margin and p of the triplet loss are given by position.
#include "ballast/nn/nn.h"
#include "tests/support/module_makers.h"

namespace ballast::test {
namespace {

constexpr size_t kByName = 1000;

template <class M>
Layer elementwise(A& a) {
  return layer(M(a.reduction()));
}

template <class M>
Layer classes(A& a) {
  return layer(M({.weight = a.tensor(kByName, "weight"),
                  .reduction = a.reduction(),
                  .ignore_index = a.integer(kByName, "ignore_index", -100),
                  .label_smoothing = a.number(kByName, "label_smoothing", 0)}));
}

template <class M>
Layer weighted(A& a) {
  return layer(M({.weight = a.tensor(kByName, "weight"), .reduction = a.reduction()}));
}

template <class M, int Otherwise>
Layer margin(A& a) {
  return layer(M({.margin = a.number(kByName, "margin", Otherwise), .reduction = a.reduction()}));
}

}  // namespace

const Table& loss_makers() {
  static const Table table = {
      {"CrossEntropyLoss", classes<nn::CrossEntropyLoss>},
      {"NLLLoss", classes<nn::NLLLoss>},
      {"MSELoss", elementwise<nn::MSELoss>},
      {"L1Loss", elementwise<nn::L1Loss>},
      {"SoftMarginLoss", elementwise<nn::SoftMarginLoss>},
      {"MultiLabelMarginLoss", elementwise<nn::MultiLabelMarginLoss>},
      {"SmoothL1Loss",
       [](A& a) {
         return layer(
             nn::SmoothL1Loss({.reduction = a.reduction(), .beta = a.number(kByName, "beta", 1)}));
       }},
      {"HuberLoss",
       [](A& a) {
         return layer(
             nn::HuberLoss({.reduction = a.reduction(), .delta = a.number(kByName, "delta", 1)}));
       }},
      {"KLDivLoss",
       [](A& a) {
         return layer(nn::KLDivLoss(
             {.reduction = a.reduction(), .log_target = a.flag(kByName, "log_target", false)}));
       }},
      {"BCELoss", weighted<nn::BCELoss>},
      {"BCEWithLogitsLoss", weighted<nn::BCEWithLogitsLoss>},
      {"MultiLabelSoftMarginLoss", weighted<nn::MultiLabelSoftMarginLoss>},
      {"CosineEmbeddingLoss", margin<nn::CosineEmbeddingLoss, 0>},
      {"MarginRankingLoss", margin<nn::MarginRankingLoss, 0>},
      {"HingeEmbeddingLoss", margin<nn::HingeEmbeddingLoss, 1>},
      {"MultiMarginLoss",
       [](A& a) {
         return layer(nn::MultiMarginLoss({.p = a.integer(kByName, "p", 1),
                                           .margin = a.number(kByName, "margin", 1),
                                           .weight = a.tensor(kByName, "weight"),
                                           .reduction = a.reduction()}));
       }},
      {"TripletMarginLoss",
       [](A& a) {
         return layer(nn::TripletMarginLoss({.margin = a.number(0, "margin", 1),
                                             .p = a.number(1, "p", 2),
                                             .swap = a.flag(kByName, "swap", false),
                                             .reduction = a.reduction()}));
       }},
      {"TripletMarginWithDistanceLoss",
       [](A& a) {
         return layer(nn::TripletMarginWithDistanceLoss({.margin = a.number(kByName, "margin", 1),
                                                         .swap = a.flag(kByName, "swap", false),
                                                         .reduction = a.reduction()}));
       }},
      {"PoissonNLLLoss",
       [](A& a) {
         return layer(nn::PoissonNLLLoss({.log_input = a.flag(kByName, "log_input", true),
                                          .full = a.flag(kByName, "full", false),
                                          .reduction = a.reduction()}));
       }},
      {"GaussianNLLLoss",
       [](A& a) {
         return layer(nn::GaussianNLLLoss(
             {.full = a.flag(kByName, "full", false), .reduction = a.reduction()}));
       }},
  };
  return table;
}

}  // namespace ballast::test
