(* DDIM's family: any amount of fresh noise in a step keeps the marginals, at all times, from T down to 0. *)
Require Import Reals Lra Psatz.
Open Scope R_scope.

Section Family.

Variable alpha_bar : nat -> R.                 (* any shares of the picture *)
Variable sigma : nat -> R.                     (* any noise, up to what the variance has room for *)
Variable T : nat.
Hypothesis noisy : forall t, alpha_bar (S t) < 1.
Hypothesis room : forall t, 0 <= sigma t ^ 2 <= 1 - alpha_bar t.

(* The mean of x_t given x_{t+1} = x and x_0: DDIM eq. (7). *)
Definition weight t := sqrt (1 - alpha_bar t - sigma t ^ 2) / sqrt (1 - alpha_bar (S t)).
Definition step t x x0 := sqrt (alpha_bar t) * x0 + weight t * (x - sqrt (alpha_bar (S t)) * x0).

(* The law of x_{T-k} given x_0, k steps after it started as the kernel's law of x_T: the step is linear in x,
   so the mean goes through it, the variance is multiplied by weight^2, and sigma^2 comes on top. *)
Fixpoint mean (x0 : R) (k : nat) : R :=
  match k with
  | O => sqrt (alpha_bar T) * x0
  | S j => step (T - S j) (mean x0 j) x0
  end.

Fixpoint variance (k : nat) : R :=
  match k with
  | O => 1 - alpha_bar T
  | S j => weight (T - S j) ^ 2 * variance j + sigma (T - S j) ^ 2
  end.

Lemma earlier : forall j, (S j <= T)%nat -> (T - j = S (T - S j))%nat.
Proof. lia. Qed.

Lemma root_ratio : forall p q, 0 <= p -> 0 < q -> (sqrt p / sqrt q) ^ 2 = p / q.
Proof.
  intros p q p_sign q_sign. pose proof (sqrt_sqrt p p_sign). pose proof (sqrt_sqrt q (Rlt_le _ _ q_sign)).
  pose proof (sqrt_lt_R0 q q_sign). field [H H0]. lra.
Qed.

Theorem family_keeps_mean : forall x0 k, (k <= T)%nat -> mean x0 k = sqrt (alpha_bar (T - k)) * x0.
Proof.
  intros x0 k. induction k as [|k IH]; intro inside; cbn [mean].
  - rewrite PeanoNat.Nat.sub_0_r. reflexivity.
  - rewrite IH by lia. rewrite (earlier k inside). unfold step. ring.
Qed.

Theorem family_keeps_variance : forall k, (k <= T)%nat -> variance k = 1 - alpha_bar (T - k).
Proof.
  induction k as [|k IH]; intro inside; cbn [variance].
  - rewrite PeanoNat.Nat.sub_0_r. reflexivity.
  - rewrite IH by lia. rewrite (earlier k inside). unfold weight.
    set (t := (T - S k)%nat). pose proof (noisy t). pose proof (room t).
    rewrite root_ratio by lra. field. lra.
Qed.

End Family.
