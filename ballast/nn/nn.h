// All layers.
#pragma once

#include "ballast/nn/activation.h"
#include "ballast/nn/batch_norm.h"
#include "ballast/nn/batch_norm_variants.h"
#include "ballast/nn/common.h"
#include "ballast/nn/conv.h"
#include "ballast/nn/distance.h"
#include "ballast/nn/embedding.h"
#include "ballast/nn/init.h"
#include "ballast/nn/linear.h"
#include "ballast/nn/loss.h"
#include "ballast/nn/module.h"
#include "ballast/nn/norm.h"
#include "ballast/nn/padding.h"
#include "ballast/nn/pool.h"
#include "ballast/nn/sequential.h"
#include "ballast/nn/vision.h"
