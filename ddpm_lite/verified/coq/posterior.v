(* The posterior for any two times s < t, as an identity of exponents: for all x_s, x_t and x_0.

   a is alpha_bar_s, b is alpha_bar_t / alpha_bar_s (what the steps from s to t keep); so alpha_bar_t = b a, and
   at s = t - 1 b is alpha_t. Roots are variables: ra * ra = a. *)
Require Import Reals Lra Psatz.
Open Scope R_scope.

Section TwoTimes.

Variables a b ra rb xs xt x0 : R.
Hypothesis a_range : 0 < a < 1.
Hypothesis b_range : 0 < b < 1.
Hypothesis ra_root : ra * ra = a.
Hypothesis rb_root : rb * rb = b.

Definition posterior_variance := (1 - a) * (1 - b) / (1 - b * a).
Definition posterior_mean := ra * (1 - b) / (1 - b * a) * x0 + rb * (1 - a) / (1 - b * a) * xt.

Lemma later_below_1 : b * a < 1.
Proof. nra. Qed.

(* Likelihood and prior less evidence leave the bell of the posterior. Nothing is left over, in any variable. *)
Theorem exponent :
  (xt - rb * xs) ^ 2 / (1 - b) + (xs - ra * x0) ^ 2 / (1 - a) - (xt - rb * ra * x0) ^ 2 / (1 - b * a)
  = (xs - posterior_mean) ^ 2 / posterior_variance.
Proof.
  pose proof later_below_1. unfold posterior_mean, posterior_variance. field [ra_root rb_root]. lra.
Qed.

(* The factors in front of the exponentials, squared: 1 / variance each. *)
Theorem factor : / (1 - b) * / (1 - a) * (1 - b * a) = / posterior_variance.
Proof. pose proof later_below_1. unfold posterior_variance. field. lra. Qed.

Theorem variance_positive : 0 < posterior_variance.
Proof.
  pose proof later_below_1. unfold posterior_variance. apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat |]; lra.
Qed.

(* The gap to the step's own variance 1 - b, exactly. *)
Theorem variance_gap : (1 - b) - posterior_variance = a * (1 - b) ^ 2 / (1 - b * a).
Proof. pose proof later_below_1. unfold posterior_variance. field. lra. Qed.

(* The weight of the eps-loss: two means at x_0 and at a guess, the same x_t, apart by their noises alone. *)
Theorem mean_gap : forall r1 eps guess x0_of_eps x0_of_guess : R,
  r1 * r1 = 1 - b * a -> 0 < r1 -> 0 < ra -> 0 < rb ->
  x0_of_eps = (xt - r1 * eps) / (rb * ra) -> x0_of_guess = (xt - r1 * guess) / (rb * ra) ->
  (ra * (1 - b) / (1 - b * a) * (x0_of_eps - x0_of_guess)) ^ 2
  = (1 - b) ^ 2 / (b * (1 - b * a)) * (eps - guess) ^ 2.
Proof.
  intros r1 eps guess e g r1_root ? ? ? -> ->. pose proof later_below_1.
  field [ra_root rb_root r1_root]. repeat split; lra.
Qed.

End TwoTimes.
