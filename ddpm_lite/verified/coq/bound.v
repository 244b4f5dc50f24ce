(* The variational bound, telescoped over any number T of steps.

   log q of a backward step by Bayes' rule is log q(x_t|x_{t-1}) + log q(x_{t-1}|x_0) - log q(x_t|x_0). Summed
   over t = 2 .. T, all marginals but the first and the last cancel. *)
Require Import Reals Lra.
Open Scope R_scope.

Section Telescoping.

Variable marginal : nat -> R.                  (* log q(x_{t+1} | x_0) *)
Variable step : nat -> R.                      (* log q(x_{t+1} | x_t) *)
Variable model : nat -> R.                     (* log p(x_t | x_{t+1}) *)
Variable start : R.                            (* log p(x_T) *)

(* log q(x_t | x_{t+1}, x_0), by Bayes *)
Definition backward t := step t + marginal (pred t) - marginal t.

Fixpoint sum (f : nat -> R) (T : nat) : R := match T with O => 0 | S t => sum f t + f t end.

(* t = 1 .. T here are the steps from x_1 on: the first, from x_0 to x_1, is the marginal of x_1. *)
Theorem telescoping : forall T,
  sum (fun t => backward (S t)) T = sum (fun t => step (S t)) T + marginal 0%nat - marginal T.
Proof.
  induction T as [|T IH]; simpl.
  - ring.
  - rewrite IH. unfold backward. simpl. ring.
Qed.

(* log p(x_{0:T}) - log q(x_{1:T} | x_0), as the chain has it and as the bound sorts it: the prior's term, one
   for each step between, and the reconstruction. Holds at every path, so for its average, the bound, too. *)
Theorem bound_sorted : forall T,
  start + model 0%nat + sum (fun t => model (S t)) T - (marginal 0%nat + sum (fun t => step (S t)) T)
  = (start - marginal T) + sum (fun t => model (S t) - backward (S t)) T + model 0%nat.
Proof.
  intro T.
  assert (apart : forall f g n, sum (fun t => f t - g t) n = sum f n - sum g n).
  { intros f g n. induction n as [|n IH]; simpl; [|rewrite IH]; ring. }
  rewrite (apart (fun t => model (S t)) (fun t => backward (S t))), telescoping. ring.
Qed.

End Telescoping.
