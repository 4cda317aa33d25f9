// Products of decays within a chunk of C tokens.
#pragma once

#include "../../cpu/arena.h"

namespace {

// Sums of logarithms are kept in double precision, and only differences of them that are not positive are exponentiated.
// Whatever is not in a tile on the diagonal is a product of two such exponentials, with the tile's first row between them.
class Decays {
 public:
  int size;
  Matrix gamma;         // (i, j) holds a_{j+1} ... a_i for i >= j, and 0 for i < j in the tiles on the diagonal
  float *since, *until;  // a_1 ... a_i, and a_{j+1} ... a_C, which is the last row of gamma
  float whole;          // a_1 ... a_C

  Decays(Arena& arena, int size)
      : size(size), gamma(arena.matrix(size, size)), since(arena.vector(size)), until(gamma.row(size - 1)), whole(1),
        running_sign(arena.vector(size)), high(arena.vector(size)), low(arena.vector(size)), left(arena.vector(size)),
        sums(arena.vector<double>(size)) {}

  void compute(const float* log_decay, const float* sign) {
    double running = 0, sign_so_far = 1;
    for (int i = 0; i < size; ++i) {
      sums[i] = running += log_decay[i] > MIN_LOG_DECAY ? log_decay[i] : MIN_LOG_DECAY;
      running_sign[i] = sign_so_far *= sign[i];
    }
    for (int tile = 0; tile < size; tile += TILE) compute_rows(tile, tile == 0 ? 0.0 : sums[tile - 1]);
    for (int i = 0; i < size; ++i) since[i] = static_cast<float>(sums[i]);
    for (int i = 0; i < size; i += W) store(since + i, exp_of_negative(load(since + i)) * load(running_sign + i));
    whole = since[size - 1];
  }

 private:
  static constexpr float MIN_LOG_DECAY = -80.0f;  // stands for a = 0; e^-80 is nothing in fp32

  float *running_sign, *high, *low, *left;
  double* sums;

  void compute_rows(int tile, double before) {
    for (int j = 0; j < tile; ++j) left[j] = static_cast<float>(before - sums[j]);
    for (int j = 0; j < tile; j += W) store(left + j, exp_of_negative(load(left + j)) * load(running_sign + j));
    for (int i = tile; i < tile + TILE; ++i) {
      high[i] = static_cast<float>(sums[i] - before);
      low[i] = static_cast<float>(sums[i] - before - high[i]);
    }
    for (int i = tile; i < tile + TILE; ++i) {
      const float right = running_sign[i] * exp_of_negative(splat(high[i]))[0];
      float* row = gamma.row(i);
      for (int j = 0; j < tile; j += W) store(row + j, right * load(left + j));
      for (int j = tile; j < tile + TILE; j += W) {
        const Vector difference = (high[i] - load(high + j)) + (low[i] - load(low + j));
        const Integers is_lower = lanes() + j <= Integers{} + i;
        const Vector exponent = reinterpret_cast<Vector>(reinterpret_cast<Integers>(difference) & is_lower);
        const Vector product = exp_of_negative(exponent) * load(running_sign + j) * running_sign[i];
        store(row + j, reinterpret_cast<Vector>(reinterpret_cast<Integers>(product) & is_lower));
      }
    }
  }
};

}  // namespace
