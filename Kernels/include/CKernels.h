// Contract of every CPU kernel: formula and shapes, nothing else. A kernel allocates nothing, locks nothing and checks no
// shape. Arrays are float32 and row-major; [begin, end) is the range of rows (or groups, or blocks) that one call computes,
// with base pointers that always name row 0, so that any split over threads gives the same bits.
// Axes: B sequences, T rows of the jagged batch, H heads, D width, K width of a head, V items, N columns or negatives.
// The kernels that read logs are in CRows.h.
#ifndef CKERNELS_H
#define CKERNELS_H

#include <stddef.h>
#include <stdint.h>

typedef ptrdiff_t ck_int;

// --- instruction sets -------------------------------------------------------------------------------------------------
// 0 baseline, 1 AVX2+FMA, 2 AVX-512, 3 AVX-512 with bfloat16 products; bound at load from the CPU, lowered by
// AUGUR_ISA=baseline|avx2|avx512.
int ck_isa(void);
void ck_pause(void);  // what a spinning thread does between looks
static inline void ck_prefetch(const void *p) { __builtin_prefetch(p); }
// A hint that bytes of a file may begin their way to the disk, so that making them durable waits for less.
void ck_start_writeback(int descriptor, ck_int first, ck_int bytes);
// *crc = CRC-32C (Castagnoli) of `count` more bytes behind those that *crc is of, 0 for none; returns 0, and does nothing, where the
// processor has no instruction for it.
int ck_crc32c(uint32_t *crc, const void *bytes, ck_int count);
const char *ck_isa_name(void), *ck_blas_core(void);
int ck_cpu_count(void);  // CPUs that the affinity mask allows

// --- the machine's limits, for benchmarks -------------------------------------------------------------------------------
// Does `rounds` rounds of multiply-adds in registers, of float32 or of pairs of bfloat16 where there is an instruction for them, and returns
// how many operations that were. ck_peak_read reads x[begin:end]. out receives one float, so that nothing is left out.
double ck_peak_operations(ck_int rounds, int bf16, float *out);
void ck_peak_read(const float *x, ck_int begin, ck_int end, float *out);

// --- text of the device kernels: X.cl of every op, after Common/opencl.h ------------------------------------------------
const char *ck_opencl_prelude(void);
const char *ck_opencl_warp(void), *ck_opencl_warpgroup(void);  // before texts for tensor cores: X.sm90.cl one, X.sm90a.cl both
const char *ck_opencl_activation(void);
const char *ck_opencl_attention(void);
const char *ck_opencl_convolution(void);
const char *ck_opencl_dice(void);
const char *ck_opencl_dropout(void);
const char *ck_opencl_embedding(void);
const char *ck_opencl_embedding_bag(void);
const char *ck_opencl_gate(void);
const char *ck_opencl_gru(void);
const char *ck_opencl_hstu(void);
const char *ck_opencl_loss(void);
const char *ck_opencl_matmul(void);
const char *ck_opencl_mixture(void);
const char *ck_opencl_norm(void);
const char *ck_opencl_batch_norm(void);
const char *ck_opencl_interaction(void);
const char *ck_opencl_optimizer(void);
const char *ck_opencl_sampled_loss(void);
const char *ck_opencl_softmax_loss(void);
const char *ck_opencl_target_attention(void);
const char *ck_opencl_top_k(void);
// Behind Common/warp.h, for tensor cores
const char *ck_opencl_attention_sm90(void), *ck_opencl_hstu_sm90(void), *ck_opencl_matmul_sm90(void),
    *ck_opencl_softmax_loss_sm90(void), *ck_opencl_top_k_sm90(void), *ck_opencl_matmul_sm90a(void);
// The same as PTX for NVIDIA's driver library, by the name and the options of a module, or NULL; and the options that all were made with.
const char *ck_ptx(const char *module, const char *options);
const char *ck_ptx_tuning(void);

// --- Radix: one stable counting pass over ids, in chunks; no arithmetic, so any split gives the same result ------------------------
// A pair is an id in the high and its position in the low 32 bits. Both passes read ids, or pairs where ids is null.
// counts[digits] = how often each (id >> shift) % digits occurs in [begin, end), digits a power of 2; returns the largest id there,
// as unsigned, where ids is given.
uint32_t ck_radix_count(int32_t *counts, const int32_t *ids, const uint64_t *pairs, ck_int begin, ck_int end, ck_int shift,
                        ck_int digits);
// counts[chunks][digits] become the places where each chunk puts its digits, digits first, then chunks.
void ck_radix_places(int32_t *counts, ck_int chunks, ck_int digits);
// out[place of the digit, then one further] = pair i; moves the places of this chunk.
void ck_radix_scatter(uint64_t *out, int32_t *places, const int32_t *ids, const uint64_t *pairs, ck_int begin, ck_int end,
                      ck_int shift, ck_int digits);
// How many pairs of [begin, end) differ in their id from the pair before; pair 0 does.
ck_int ck_group_count(const uint64_t *pairs, ck_int begin, ck_int end);
// order[i] = position of pair i; for each group that starts in [begin, end), u counting from first: segments[u] = its place, rows[u] = id.
void ck_group_write(int32_t *order, int32_t *segments, int32_t *rows, const uint64_t *pairs, ck_int begin, ck_int end,
                    ck_int first);

// --- Matmul (the only caller of OpenBLAS) -------------------------------------------------------------------------------
enum { CK_NONE = 0, CK_RELU = 1, CK_GELU = 2, CK_SILU = 3, CK_SIGMOID = 4, CK_SOFTPLUS = 5 };
enum { CK_ROW_BLOCK = 128 };

// y[M,N] = act(x[M,K] w + b[N]) + r[M,N] in rows begin..<end and columns from..<to; w is [K,N], or [N,K] when transposed. b, r and
// pre may be null; pre[M,N] receives the value before act. Where ck_matmul_scratch is not 0, begin is a multiple of CK_ROW_BLOCK
// and the columns are 0..<N. The bits of a row depend neither on M nor on its place.
void ck_matmul(float *y, float *pre, const float *x, const float *w, const float *b, const float *r, ck_int begin,
               ck_int end, ck_int from, ck_int to, ck_int N, ck_int K, int transposed, int act, float *scratch);
ck_int ck_matmul_scratch(ck_int N, ck_int K);
// The same from a w packed once for many rows, with the same bits: columns from..<to, from a multiple of CK_PANEL, of
// panels[ck_panel_floats(N, K)]. Columns from a multiple of CK_PANEL on are the panels from + columns * K on. accumulate: y += x w, no b.
enum { CK_PANEL = 32 };
ck_int ck_panel_floats(ck_int N, ck_int K);
void ck_pack_panels(float *panels, const float *w, ck_int from, ck_int to, ck_int N, ck_int K, int transposed);
void ck_matmul_panels(float *y, float *pre, const float *x, const float *panels, const float *b, const float *r,
                      ck_int begin, ck_int end, ck_int N, ck_int K, int act, int accumulate);
// dw[K,N] += (or =) x[begin:end, K]^T dy[begin:end, N]; db[N] the same of the column sums of those rows of dy, or null
void ck_matmul_tn(float *dw, float *db, const float *x, const float *dy, ck_int begin, ck_int end, ck_int K, ck_int N,
                  int accumulate);
// The same products with both factors rounded to bfloat16 (to nearest even) and sums in float32. Panels and scratch hold 32-bit words
// of two neighbours along the inner axis: ck_panel_floats_bf16(N, K) words for w, ck_matmul_scratch_bf16(end - begin, K) and
// ck_matmul_tn_scratch_bf16(K, N) words of scratch.
ck_int ck_panel_floats_bf16(ck_int N, ck_int K);
ck_int ck_matmul_scratch_bf16(ck_int rows, ck_int K);
ck_int ck_matmul_tn_scratch_bf16(ck_int K, ck_int N);
void ck_pack_panels_bf16(void *panels, const float *w, ck_int from, ck_int to, ck_int N, ck_int K, int transposed);
void ck_matmul_panels_bf16(float *y, float *pre, const float *x, const void *panels, const float *b, const float *r,
                           ck_int begin, ck_int end, ck_int N, ck_int K, int act, int accumulate, void *scratch);
void ck_matmul_tn_bf16(float *dw, float *db, const float *x, const float *dy, ck_int begin, ck_int end, ck_int K, ck_int N,
                       int accumulate, void *scratch);
// Stored in bfloat16: y[M,N] = x[M,K] w[N,K]^T in rows begin..<end and columns from..<to, K even and above 0, from a multiple of CK_PANEL,
// from the panels of ck_pack_halves (K / 2 words a padded column), or without them where few rows do not pay for packing.
void ck_pack_halves(void *panels, const uint16_t *w, ck_int from, ck_int to, ck_int N, ck_int K);
void ck_matmul_halves(uint16_t *y, const uint16_t *x, const uint16_t *w, const void *panels, ck_int begin, ck_int end, ck_int from,
                      ck_int to, ck_int N, ck_int K);
void ck_round_bf16_row(uint16_t *y, const float *x, ck_int begin, ck_int end);  // to nearest even
void ck_widen_bf16(float *y, const uint16_t *x, ck_int begin, ck_int end);
// s[N] += (or =) sum over rows begin..<end of x[., N], rows in order
void ck_column_sum(float *s, const float *x, ck_int begin, ck_int end, ck_int N, int accumulate);
// y[i] += sum over s < S, in order, of partials[s * n + i], for i in [begin, end)
void ck_sum_partials(float *y, const float *partials, ck_int S, ck_int n, ck_int begin, ck_int end);

// --- Activation: relu, gelu (tanh form), silu, sigmoid; elements begin..<end ----------------------------------------------
void ck_activation_forward(float *y, const float *x, ck_int begin, ck_int end, int kind);
// dx = dy * act'(x), x the value before the activation
void ck_activation_backward(float *dx, const float *dy, const float *x, ck_int begin, ck_int end, int kind);
// y = a + b
void ck_sum(float *y, const float *a, const float *b, ck_int begin, ck_int end);
// y += x
void ck_add(float *y, const float *x, ck_int begin, ck_int end);
// y = a y + b x
void ck_combine(float *y, float a, const float *x, float b, ck_int begin, ck_int end);

// --- Dropout --------------------------------------------------------------------------------------------------------------
// y[i] = (r[i]) + x[i] * keep(i) / (1 - rate); keep(i) = ck_hash(seed, first + i) >= rate * 2^32. r may be null. Backward is the
// same call on dy without r. ck_hash: Common/random.h, integers only, the same bits on every device.
void ck_dropout(float *y, const float *x, const float *r, ck_int first, ck_int begin, ck_int end, uint64_t seed, float rate);

// --- Gate -----------------------------------------------------------------------------------------------------------------
// y[t,F] = silu(ab[t, 0:F]) * ab[t, F:2F]   (SwiGLU without its linears)
void ck_swiglu_forward(float *y, const float *ab, ck_int begin, ck_int end, ck_int F);
void ck_swiglu_backward(float *dab, const float *dy, const float *ab, ck_int begin, ck_int end, ck_int F);
// y[i] = x[i] + sigmoid(g[i]) * drop(z[i])   (LiGR), drop as ck_dropout
void ck_gated_residual_forward(float *y, const float *x, const float *g, const float *z, ck_int begin, ck_int end,
                               uint64_t seed, float rate);
// dg, dz from dy (dx = dy)
void ck_gated_residual_backward(float *dg, float *dz, const float *dy, const float *g, const float *z, ck_int begin,
                                ck_int end, uint64_t seed, float rate);

// --- Norm: rows begin..<end -------------------------------------------------------------------------------------------------
// mean[t], rstd[t] = 1/sqrt(var + eps), biased variance, each unless null; y = g * (x - mean) * rstd + b.
// g and b may be null: 1 and 0; then the backward writes neither dg nor db.
void ck_layer_norm_forward(float *y, float *mean, float *rstd, const float *x, const float *g, const float *b, ck_int begin,
                           ck_int end, ck_int D, float eps);
// dx; and dg[D], db[D] of this range alone (overwritten): the caller sums ranges with ck_sum_partials
void ck_layer_norm_backward(float *dx, float *dg, float *db, const float *dy, const float *x, const float *g,
                            const float *mean, const float *rstd, ck_int begin, ck_int end, ck_int D);
// y = g * x * rstd, rstd = 1/sqrt(mean(x^2) + eps), kept unless null
void ck_rms_norm_forward(float *y, float *rstd, const float *x, const float *g, ck_int begin, ck_int end, ck_int D, float eps);
void ck_rms_norm_backward(float *dx, float *dg, const float *dy, const float *x, const float *g, const float *rstd,
                          ck_int begin, ck_int end, ck_int D);

// --- BatchNorm: columns over the rows begin..<end ---------------------------------------------------------------------------
// sums[D] of (x - mean)^2 (overwritten), of this range alone: the caller adds ranges up
void ck_column_squares(float *sums, const float *x, const float *mean, ck_int begin, ck_int end, ck_int D);
// y = g * (x - mean) * rstd + b
void ck_batch_norm_forward(float *y, const float *x, const float *g, const float *b, const float *mean, const float *rstd,
                           ck_int begin, ck_int end, ck_int D);
// dg[D] = sum dy (x - mean) rstd, db[D] = sum dy (overwritten), of this range alone
void ck_batch_norm_sums(float *dg, float *db, const float *dy, const float *x, const float *mean, const float *rstd, ck_int begin,
                        ck_int end, ck_int D);
// dx from whole dg, db; share = 1 / rows of the batch, or 0 where mean and rstd are constants
void ck_batch_norm_backward(float *dx, const float *dy, const float *x, const float *g, const float *mean, const float *rstd,
                            const float *dg, const float *db, ck_int begin, ck_int end, ck_int D, float share);

// --- Dice: n = (x - mean) rstd by column, p = sigmoid(n); rows begin..<end ----------------------------------------------------------
// y = x (alpha + (1 - alpha) p)
void ck_dice_forward(float *y, const float *x, const float *alpha, const float *mean, const float *rstd, ck_int begin, ck_int end, ck_int D);
// With u = dy x (1 - alpha) p (1 - p): dalpha[D] = sum dy x (1 - p), dg[D] = sum u n, db[D] = sum u (overwritten), of this range alone
void ck_dice_sums(float *dalpha, float *dg, float *db, const float *dy, const float *x, const float *alpha, const float *mean,
                  const float *rstd, ck_int begin, ck_int end, ck_int D);
// dx from whole dg, db; share = 1 / rows of the batch, or 0 where mean and rstd are constants
void ck_dice_backward(float *dx, const float *dy, const float *x, const float *alpha, const float *mean, const float *rstd, const float *dg,
                      const float *db, ck_int begin, ck_int end, ck_int D, float share);

// --- Interaction --------------------------------------------------------------------------------------------------------------
// y = scale * a * b + c on elements begin..<end; c may be null
void ck_product_forward(float *y, const float *a, const float *b, const float *c, float scale, ck_int begin, ck_int end);
void ck_product_backward(float *da, float *db, const float *dy, const float *a, const float *b, float scale, ck_int begin, ck_int end);
// y[r] = sum over f < g of e[r,f,:] . e[r,g,:], sums[r,D] = sum over f of e[r,f,:], on rows begin..<end of e [B, F, D]
void ck_field_pairs_forward(float *y, float *sums, const float *e, ck_int begin, ck_int end, ck_int F, ck_int D);
void ck_field_pairs_backward(float *de, const float *dy, const float *sums, const float *e, ck_int begin, ck_int end, ck_int F,
                             ck_int D);

// --- Mixture: E experts, x and p of one of them, p of row r at p[r E] ------------------------------------------------------------
void ck_mixture_shares(float *p, const float *g, ck_int begin, ck_int end, ck_int E);  // p[r] = softmax(g[r])
// y[r,D] = p[r] x[r], added to y unless first
void ck_mixture_forward(float *y, const float *x, const float *p, int first, ck_int begin, ck_int end, ck_int E, ck_int D);
// dx[r] = p[r] dy[r], dp[r] = dy[r] . x[r]
void ck_mixture_backward(float *dx, float *dp, const float *dy, const float *x, const float *p, ck_int begin, ck_int end, ck_int E,
                         ck_int D);
void ck_mixture_gates(float *dg, const float *dp, const float *p, ck_int begin, ck_int end, ck_int E);  // of all experts

// --- Embedding ----------------------------------------------------------------------------------------------------------------
// y[t,D] = scale * table[ids[t]] + positions[place[t]]; positions may be null. Ids outside 0..<rows are the caller's bug.
void ck_embedding_forward(float *y, const float *table, const int32_t *ids, const float *positions, const int32_t *place,
                          ck_int begin, ck_int end, ck_int D, float scale);
// For each group u in [begin, end): dtable[rows[u]] += scale * sum over i in segments[u]..<segments[u+1], in order, of
// c[o] * x[place[o]], o = order[i]. c may be null (1), place may be null (o / divisor). One group is one row: no two calls write
// the same row.
void ck_segment_sum(float *dtable, const float *x, const float *c, const int32_t *place, const int32_t *order,
                    const int32_t *segments, const int32_t *rows, ck_int begin, ck_int end, ck_int D, ck_int divisor,
                    float scale);

// --- EmbeddingBag: bag b owns lookups offsets[b]..<offsets[b+1] -------------------------------------------------------------------
// y[b,D] = s(b) * sum over the lookups i of bag b, in order, of c[i] * table[ids[i]]; c may be null (1); s = 1, or 1 / (lookups of b)
// if mean. An empty bag gives 0.
void ck_embedding_bag_forward(float *y, const float *table, const int32_t *ids, const int32_t *offsets, const float *c,
                              ck_int begin, ck_int end, ck_int D, int mean);
// bag[i] = b for the lookups i of the bags begin..<end: dtable is ck_segment_sum of dy with place = bag.
void ck_bag_places(int32_t *bag, const int32_t *offsets, ck_int begin, ck_int end);
// dx[b] = dy[b] / (lookups of b), 0 for an empty bag
void ck_bag_mean_backward(float *dx, const float *dy, const int32_t *offsets, ck_int begin, ck_int end, ck_int D);
// dc[i] = dy[bag[i]] . table[ids[i]] for lookups begin..<end
void ck_bag_weights_backward(float *dc, const float *dy, const float *table, const int32_t *ids, const int32_t *bag,
                             ck_int begin, ck_int end, ck_int D);

// --- Attention: jagged softmax attention, P = softmax(scale * Q K^T) over keys j <= i, or all if not causal, of the same sequence ---
// o[T, H*K]; lse[T,H] = log-sum-exp of the scaled scores. q, k, v, o have row strides ldq.. (so that a packed [T, 3D] works);
// head h is columns h*K..<(h+1)*K. offsets[B+1]. Tasks begin..<end are pairs (sequence b, head h), task = b * H + h.
// Dropout on P: cell (t, h, j) is kept when ck_hash(seed, (t * H + h) * 65536 + j) >= rate * 2^32, j counted inside the sequence, t the
// row of the batch; kept cells are divided by 1 - rate; the normaliser is that of the undropped row. rate 0: no dropout.
// last > 0: only the last `last` rows of each sequence have a query, with the same bits; q, o and lse hold those rows alone, no dropout.
// bf16: the factors of every product are rounded to bfloat16, sums and softmax stay float32. K is at most 256.
// scratch: ck_attention_scratch(K, Lmax) floats.
ck_int ck_attention_scratch(ck_int K, ck_int L);
void ck_attention_forward(float *o, float *lse, const float *q, const float *k, const float *v, const int32_t *offsets,
                          ck_int begin, ck_int end, ck_int last, int causal, ck_int H, ck_int K, ck_int ldq, ck_int ldk,
                          ck_int ldv, ck_int ldo, float scale, uint64_t seed, float rate, int bf16, float *scratch);
// One history that grows, head h: rows at..<L of kv[L - at, 2 H K] (keys, then values) are packed into kept[H][floats], floats =
// ck_attention_kept_floats(K, capacity), which holds those before; then o[m, H*K] of the last m rows, whose queries are
// q[m, H*K], with the bits of the above. scratch: ck_attention_scratch(K, 0) + m floats.
ck_int ck_attention_kept_floats(ck_int K, ck_int capacity);
void ck_attention_kept(float *o, const float *q, const float *kv, float *kept, ck_int at, ck_int L, ck_int m, ck_int h,
                       ck_int H, ck_int K, ck_int capacity, float scale, int bf16, float *scratch);
// dq, dk, dv (overwritten, same strides as q, k, v); o and lse from the forward. Never an L x L array in memory.
void ck_attention_backward(float *dq, float *dk, float *dv, const float *go, const float *q, const float *k, const float *v,
                           const float *o, const float *lse, const int32_t *offsets, ck_int begin, ck_int end, int causal,
                           ck_int H, ck_int K, ck_int ldq, ck_int ldk, ck_int ldv, ck_int ldo, float scale, uint64_t seed, float rate, int bf16,
                           float *scratch);

// --- TargetAttention: histories begin..<end, history b owns rows offsets[b]..<offsets[b+1] of h[T,D]; t[B,D] stands beside them --------------
// y[j,4D] = [t, h, t - h, t h] and its gradients
void ck_target_pairs_forward(float *y, const float *h, const float *t, const int32_t *offsets, ck_int begin, ck_int end, ck_int D);
void ck_target_pairs_backward(float *dh, float *dt, const float *dy, const float *h, const float *t, const int32_t *offsets, ck_int begin,
                              ck_int end, ck_int D);
// s[j] = h[j] . t[b]
void ck_target_dots(float *s, const float *h, const float *t, const int32_t *offsets, ck_int begin, ck_int end, ck_int D);
// y[j,D] = a[j] t[b]
void ck_target_spread(float *y, const float *t, const float *a, const int32_t *offsets, ck_int begin, ck_int end, ck_int D);
// y[b,D] = sum of a[j] h[j], in order; 0 for an empty history
void ck_weighted_sums(float *y, const float *h, const float *a, const int32_t *offsets, ck_int begin, ck_int end, ck_int D);
// p = softmax(s) of each history, and ds = p (dp - sum p dp)
void ck_history_shares(float *p, const float *s, const int32_t *offsets, ck_int begin, ck_int end);
void ck_history_shares_backward(float *ds, const float *dp, const float *p, const int32_t *offsets, ck_int begin, ck_int end);

// --- HSTU: jagged causal pointwise attention --------------------------------------------------------------------------------
// x_ij = scale * q_i . k_j + position[j - i + n - 1] + time[bucket(|t - times[j]|)], t the time of row i + 1, or of row i where it is the last;
// P_ij = SiLU(x_ij) / n for j <= i of the same sequence; o = P v. Every head has the same biases; position [n] and time [129] may be null.
// bucket(d) is the last b with starts[b] <= d; starts [129] rise, INT32_MAX where no difference reaches. No sequence is longer than n.
// Strides, tasks, `last`, bf16 and K as in Attention. scratch: ck_hstu_scratch(K, Lmax, n) floats.
typedef struct {
  const float *q, *k, *v, *position, *time;
  const int32_t *offsets, *times, *starts;
  ck_int H, K, n, ldq, ldk, ldv, ldo;
  float scale;
  int bf16;
} ck_hstu;
ck_int ck_hstu_scratch(ck_int K, ck_int L, ck_int n);
void ck_hstu_forward(float *o, const ck_hstu *a, ck_int begin, ck_int end, ck_int last, float *scratch);
// dq, dk, dv (overwritten); dposition [n] and dtime [129]: the sums over the tasks begin..<end alone.
void ck_hstu_backward(float *dq, float *dk, float *dv, float *dposition, float *dtime, const float *go, const ck_hstu *a, ck_int begin,
                      ck_int end, float *scratch);

// --- GRU: sequences begin..<end of a jagged batch ---------------------------------------------------------------------------------
// h_t = (1 - z) n + z h_{t-1}; z, r = sigmoid(x + h U + c), a = h U_n + c_n, n = tanh(x_n + r a). x[T,3D], U[D,3D] and c[3D] hold the parts
// of z, r and n side by side; gates[T,4D] = z, r, n, a, or null. u[D, columns(3D)] and ut[3D, columns(D)] are U packed, ut may be null.
ck_int ck_gru_columns(ck_int n);
ck_int ck_gru_scratch(ck_int D);
void ck_gru_pack(float *u, float *ut, const float *w, ck_int D);
// shares[T], or null where all are 1: in the recurrence z is 1 - share (1 - z).
void ck_gru_forward(float *h, float *gates, const float *x, const float *u, const float *c, const float *shares, const int32_t *offsets,
                    ck_int begin, ck_int end, ck_int D, float *scratch);
// dx[T,3D]; du[T,3D], the gradient of h U + c; before[T,D] = h_{t-1}: dU = before^T du, dc = the column sums of du; dshares[T] where there
// are shares
void ck_gru_backward(float *dx, float *du, float *before, float *dshares, const float *dh, const float *h, const float *gates,
                     const float *shares, const float *ut, const int32_t *offsets, ck_int begin, ck_int end, ck_int D, float *scratch);

// --- Convolution: rows begin..<end; place[t] counts the rows of the sequence before row t, left[t] those after it ------------------------
// y[t, N, D] = rows t-N+1..t of x, 0 for those before the sequence
void ck_windows_forward(float *y, const float *x, const int32_t *place, ck_int begin, ck_int end, ck_int N, ck_int D);
void ck_windows_backward(float *dx, const float *dy, const int32_t *left, ck_int begin, ck_int end, ck_int N, ck_int D);
// y[t, M, D] = sum over n of g[m,n] x[t-N+1+n]; the backward's dg[M,N] is that of these rows alone
void ck_window_sums_forward(float *y, const float *x, const float *g, const int32_t *place, ck_int begin, ck_int end, ck_int M, ck_int N,
                            ck_int D);
void ck_window_sums_backward(float *dx, float *dg, const float *dy, const float *x, const float *g, const int32_t *place,
                             const int32_t *left, ck_int begin, ck_int end, ck_int M, ck_int N, ck_int D);
// y[t, D] = the largest of rows t-N+1..t of the sequence, best[t, D] its row, the oldest of equals; NaN wins
void ck_window_max_forward(float *y, int32_t *best, const float *x, const int32_t *place, ck_int begin, ck_int end, ck_int N, ck_int D);
void ck_window_max_backward(float *dx, const float *dy, const int32_t *best, const int32_t *left, ck_int begin, ck_int end, ck_int N,
                            ck_int D);

// --- SampledLoss: rows are cut into groups that share N negatives -------------------------------------------------------------
// Group g owns rows groups[g]..<groups[g+1] of h[T,D] and the N >= 1 ids from negatives[g * stride]; stride 0: one list for all
// groups, which the caller cuts as he likes (dn null; dn = cn^T h is ck_matmul_tn). s+ = h.E[target] + bias,
// s_k = h.E[neg_k] + bias_k, bias = -logQ[id] where logQ is given, else 0. A negative equal to the target of its row is left out.
// CK_BCE: L = (beta * sp(-s+) + sum_k sp(s_k)) / (N + 1 if mean else 1), beta < 1: gBCE; CK_SOFTMAX: L = log(e^{s+} + sum_k e^{s_k}) - s+
// Writes loss[t], and, times weight: cp[t] = dL/ds+, cn[t*N + k] = dL/ds_k (0 where left out), dh[t,D] = cp E[target] + sum_k cn_k E[neg_k],
// and where dn is not null (stride N only) dn[(g*N + k), D] = sum over the rows t of group g of cn[t,k] h[t].
// scratch: ck_sampled_loss_scratch(N, D, Rmax) floats, Rmax rows of the longest group.
enum { CK_BCE = 0, CK_SOFTMAX = 1 };
ck_int ck_sampled_loss_scratch(ck_int N, ck_int D, ck_int R);
void ck_sampled_loss(float *loss, float *cp, float *cn, float *dh, float *dn, const float *h, const float *table,
                     const int32_t *targets, const int32_t *negatives, const int32_t *groups, const float *logq,
                     ck_int begin, ck_int end, ck_int N, ck_int D, ck_int stride, int kind, float beta, int mean, float weight,
                     float *scratch);
// The same of rows begin..<end that share one list, whose products h.E[neg_k] are in cn: all but what cn adds to dh. bias holds N floats.
void ck_sampled_loss_shared(float *loss, float *cp, float *cn, float *dh, const float *h, const float *table, const int32_t *targets, const int32_t *negatives,
                            const float *logq, ck_int begin, ck_int end, ck_int N, ck_int D, int kind, float beta, int mean, float weight, float *bias);

// --- SoftmaxLoss: the whole catalogue, logits never stored beyond one tile ---------------------------------------------------------
// For rows begin..<end and the scores s[end - begin, n] of a tile of items: the running maximum m[t] and sum z[t] of exp(s - m). The
// first tile starts them.
void ck_softmax_loss_scan(float *m, float *z, const float *s, ck_int begin, ck_int end, ck_int n, int is_first);
// loss[t] = m + log z - h.E[target]; lse[t] = m + log z
void ck_softmax_loss_finish(float *loss, float *lse, const float *m, const float *z, const float *h, const float *table,
                            const int32_t *targets, ck_int begin, ck_int end, ck_int D);
// The scores p[t, 0:n] of items v0..<v0+n become weight * (exp(p - lse[t]) - [v0+i == target]).
void ck_softmax_loss_gradient(float *p, const float *lse, const int32_t *targets, ck_int begin, ck_int end, ck_int v0, ck_int n,
                              float weight);

// --- Loss: of rows begin..<end, each by itself; the formulas are in Loss/formulas.h ---------------------------------------------------
// loss[t] = w[t] * L(x, y, p), dx[c] = w[t] * weight * dL/dx[c], c < outputs of the kind; x[c] and dx[c] of row t are at t * stride: 1, or
// the number of outputs where they lie side by side. y[l][t] the labels, those of the kind; w may be null: 1. p: two parameters.
enum {
  CK_LOSS_BINARY, CK_LOSS_FOCAL, CK_LOSS_SQUARED, CK_LOSS_ABSOLUTE, CK_LOSS_HUBER, CK_LOSS_QUANTILE, CK_LOSS_POISSON, CK_LOSS_RANKED,
  CK_LOSS_ENTIRE_SPACE, CK_LOSS_DELAYED, CK_LOSS_WEIBULL, CK_LOSS_LOGNORMAL
};
typedef struct {
  int kind;
  float *loss, *dx[3];
  const float *x[3], *y[2], *w;
  ck_int stride;
  float p[2], weight;
} ck_loss;
void ck_row_loss(const ck_loss *rows, ck_int begin, ck_int end);

// --- Optimizer ---------------------------------------------------------------------------------------------------------------------------
// sum of squares of x[begin:end] in double, fixed order
double ck_sum_squares(const float *x, ck_int begin, ck_int end);
// g' = clip g; m = b1 m + (1-b1) g'; v = b2 v + (1-b2) g'^2; w = (1 - rate decay) w - rate (m/c1) / (sqrt(v/c2) + eps), decay
// decoupled (AdamW). c1 = 1-b1^t, c2 = 1-b2^t. Zeroes g. Elements begin..<end.
void ck_adam(float *w, float *g, float *m, float *v, ck_int begin, ck_int end, float clip, float rate, float b1, float b2,
             float eps, float decay, float c1, float c2);
// The same on the rows rows[u], u in [begin, end), only (lazy Adam); last[row] is the step of its last update: moments first decay by
// b^(step - last - 1), then last[row] = step.
void ck_adam_rows(float *w, float *g, float *m, float *v, int32_t *last, const int32_t *rows, ck_int begin, ck_int end,
                  ck_int D, int32_t step, float clip, float rate, float b1, float b2, float eps, float decay, float c1, float c2);
// g' = clip g + decay w; m = momentum m + g'; w -= rate * m, with nesterov w -= rate * (g' + momentum m) (m null: w -= rate g'). Zeroes g.
void ck_sgd(float *w, float *g, float *m, ck_int begin, ck_int end, float clip, float rate, float momentum, float decay, int nesterov);
// w[row] -= rate * (clip g[row] + decay w[row]) on rows[u]; zeroes those rows of g.
void ck_sgd_rows(float *w, float *g, const int32_t *rows, ck_int begin, ck_int end, ck_int D, float clip, float rate, float decay);
// Rows rows[u] (u itself where rows is null), u in [begin, end): g' = clip g. S = D: s[row, d] += g'[row, d]^2 (Adagrad); S = 1:
// s[row] += mean over d of g'[row, d]^2 (row-wise). w = (1 - rate decay) w - rate g' / (sqrt(s) + eps). Zeroes those rows of g.
void ck_adagrad_rows(float *w, float *g, float *s, const int32_t *rows, ck_int begin, ck_int end, ck_int D, ck_int S, float clip,
                     float rate, float eps, float decay);

// --- TopK: scores s[b,v] = h[b].E[v] + bias[v], never stored; every score has the same bits in both kernels and for any batch ---------------
// For users begin..<end the k best items, score descending, then lower index; items listed in seen[seenOffsets[b]..<seenOffsets[b+1]]
// (sorted ascending) left out; missing places get index -1 and score -inf. NaN scores rank last. bias may be null.
void ck_top_k(float *scores, int32_t *items, const float *h, const float *table, const float *bias, const int32_t *seen,
              const int32_t *seen_offsets, ck_int begin, ck_int end, ck_int V, ck_int D, ck_int k);
// A copy of rows begin..<end of the table in 8 bits an element, begin and end multiples of 64, the rows from V on made up:
// codes[end / 64][D][64], table[v,d] ~ scale[v] * code, norm[v] = sum |table[v,.]|.
void ck_compact(int8_t *codes, float *scale, float *norm, const float *table, ck_int begin, ck_int end, ck_int V, ck_int D);
// ck_top_k of one user over items begin..<end, begin a multiple of 64, without bias, D at most CK_COMPACT_COLUMNS: the copy bounds
// every score from above, and only items whose bound reaches the k-th best are scored. Same items, same bits.
enum { CK_COMPACT_COLUMNS = 1024 };
void ck_top_k_compact(float *scores, int32_t *items, const float *h, const float *table, const int8_t *codes,
                      const float *scale, const float *norm, const int32_t *seen, ck_int seen_count, ck_int begin,
                      ck_int end, ck_int D, ck_int k);
// greater[b], equal[b]: candidates (all items not seen, the target itself excepted) with a greater, an equal score than targets[b].
void ck_rank(int32_t *greater, int32_t *equal, const float *h, const float *table, const float *bias, const int32_t *targets,
             const int32_t *seen, const int32_t *seen_offsets, ck_int begin, ck_int end, ck_int V, ck_int D);

#include "CRows.h"

#endif
