(* The forward process by induction: what holds for every schedule and every time.

   How to read this. `Theorem name : forall t, claim.` states; the text between `Proof.` and `Qed.` leads to it,
   and at `Qed.` a small program, the kernel, checks every step. `nat` are the numbers 0, 1, 2, ...; `S t` is
   t + 1; `R` are the real numbers. `induction t` leaves two claims: t = 0, and t + 1 from t, where `IH` is the
   claim for t. `field` and `ring` do school algebra, `lra` and `nra` inequalities. *)
Require Import Reals Lra Psatz.
Open Scope R_scope.

Section Schedule.

(* Any betas between 0 and 1; step t + 1 uses beta t. *)
Variable beta : nat -> R.
Hypothesis beta_range : forall t, 0 < beta t < 1.

Definition alpha t := 1 - beta t.

(* alpha_bar_0 = 1, alpha_bar_{t+1} = alpha_{t+1} alpha_bar_t *)
Fixpoint alpha_bar (t : nat) : R :=
  match t with O => 1 | S t' => alpha t' * alpha_bar t' end.

Lemma alpha_range : forall t, 0 < alpha t < 1.
Proof. intro t. unfold alpha. pose proof (beta_range t). lra. Qed.

Theorem alpha_bar_positive : forall t, 0 < alpha_bar t.
Proof.
  induction t as [|t IH]; simpl.
  - lra.
  - pose proof (alpha_range t). apply Rmult_lt_0_compat; lra.
Qed.

Theorem alpha_bar_falls : forall t, alpha_bar (S t) < alpha_bar t.
Proof. intro t. simpl. pose proof (alpha_range t). pose proof (alpha_bar_positive t). nra. Qed.

Theorem alpha_bar_at_most_1 : forall t, alpha_bar t <= 1.
Proof. induction t as [|t IH]; [simpl | pose proof (alpha_bar_falls t)]; lra. Qed.

Theorem alpha_bar_below_1 : forall t, alpha_bar (S t) < 1.
Proof. intro t. pose proof (alpha_bar_falls t). pose proof (alpha_bar_at_most_1 t). lra. Qed.

(* Later times keep less: alpha_bar_s < alpha_bar_t for all s > t. *)
Theorem alpha_bar_monotone : forall t k, alpha_bar (S k + t) < alpha_bar t.
Proof.
  intros t k. induction k as [|k IH].
  - apply alpha_bar_falls.
  - pose proof (alpha_bar_falls (S k + t)). simpl in *. lra.
Qed.

(* The chain. A law N(m, v) goes through x' = sqrt(alpha) x + sqrt(beta) eps: its mean is multiplied by
   sqrt(alpha), its variance by alpha, and the noise adds beta. *)
Fixpoint mean (x0 : R) (t : nat) : R :=
  match t with O => x0 | S t' => sqrt (alpha t') * mean x0 t' end.

Fixpoint variance (t : nat) : R :=
  match t with O => 0 | S t' => alpha t' * variance t' + beta t' end.

(* DDPM eq. (4): N(sqrt(alpha_bar_t) x_0, 1 - alpha_bar_t) at every t. *)
Theorem closed_form_mean : forall x0 t, mean x0 t = sqrt (alpha_bar t) * x0.
Proof.
  intros x0 t. induction t as [|t IH]; simpl.
  - rewrite sqrt_1. ring.                                       (* t = 0: the mean is x_0 *)
  - rewrite IH.                                                 (* one step from the claim at t ... *)
    rewrite sqrt_mult.                                          (* sqrt(a b) = sqrt(a) sqrt(b), as 0 <= a, b *)
    + ring.
    + pose proof (alpha_range t). lra.
    + pose proof (alpha_bar_positive t). lra.
Qed.

Theorem closed_form_variance : forall t, variance t = 1 - alpha_bar t.
Proof.
  induction t as [|t IH]; simpl.
  - ring.                                                       (* 0 = 1 - 1 *)
  - rewrite IH. unfold alpha. ring.                             (* a (1 - abar) + (1 - a) = 1 - a abar *)
Qed.

(* The sum of the betas. *)
Fixpoint total (t : nat) : R := match t with O => 0 | S t' => total t' + beta t' end.

Lemma total_positive : forall t, 0 <= total t.
Proof. induction t as [|t IH]; simpl; [| pose proof (beta_range t)]; lra. Qed.

(* What is left, times (1 + sum), is at most 1: so a sum without bound leaves nothing. *)
Lemma left_times_sum : forall t, alpha_bar t * (1 + total t) <= 1.
Proof.
  induction t as [|t IH]; simpl.
  - lra.
  - pose proof (beta_range t). pose proof (alpha_bar_positive t). pose proof (total_positive t).
    unfold alpha.
    assert (0 <= alpha_bar t * (beta t * (total t + beta t))).
    { apply Rmult_le_pos; [lra | apply Rmult_le_pos; lra]. }
    nra.
Qed.

(* If the sum of the betas passes every bound, alpha_bar comes below every e > 0 and stays there. *)
Theorem divergence_forgets :
  (forall bound, exists t, bound < total t) ->
  forall e, 0 < e -> exists t, forall k, alpha_bar (k + t) < e.
Proof.
  intros diverges e e_positive. destruct (diverges (/ e)) as [t far]. exists t.
  assert (small : alpha_bar t < e).
  { pose proof (left_times_sum t). pose proof (alpha_bar_positive t). pose proof (Rinv_0_lt_compat e e_positive).
    apply (Rmult_lt_reg_r (/ e)); [assumption | rewrite Rinv_r by lra; nra]. }
  intro k. destruct k as [|k]; [exact small | pose proof (alpha_bar_monotone t k); lra].
Qed.

(* The other way round: betas whose sum stays at c < 1 leave at least 1 - c of the picture for ever. *)
Theorem small_sum_remembers : forall t, 1 - total t <= alpha_bar t.
Proof.
  induction t as [|t IH]; simpl.
  - lra.
  - pose proof (beta_range t). pose proof (total_positive t). pose proof (alpha_bar_at_most_1 t).
    unfold alpha. nra.
Qed.

End Schedule.
