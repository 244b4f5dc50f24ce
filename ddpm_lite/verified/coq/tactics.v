(* The tools of every generated proof: what `field` and `ring` leave to show. *)
Require Import Reals Lra Psatz.
Open Scope R_scope.

(* A root variable r, with r * r = p and 0 < r, says that p is positive. *)
Lemma radicand : forall r p : R, r * r = p -> 0 < r -> 0 < p.
Proof. intros r p square sign. rewrite <- square. apply Rmult_lt_0_compat; assumption. Qed.

Lemma root_below_1 : forall r p : R, r * r = p -> 0 < r -> p < 1 -> r < 1.
Proof. intros. nra. Qed.

(* 0 < e, where e is made of positive parts by + * / and powers, with squares added. *)
Ltac positive :=
  lazymatch goal with
  | |- 0 < _ + _ => first [ apply Rplus_lt_le_0_compat; [ | solve [not_negative]]; solve [positive]
                          | apply Rplus_le_lt_0_compat; [ | solve [positive]]; solve [not_negative] ]
  | |- 0 < _ * _ => apply Rmult_lt_0_compat; positive
  | |- 0 < _ / _ => apply Rdiv_lt_0_compat; positive
  | |- 0 < / _ => apply Rinv_0_lt_compat; positive
  | |- 0 < _ ^ _ => apply pow_lt; positive
  | |- 0 < PI => apply PI_RGT_0
  | _ => first [assumption | lra]
  end
with not_negative :=
  lazymatch goal with
  | |- 0 <= _ + _ => apply Rplus_le_le_0_compat; not_negative
  | |- 0 <= _ * _ => apply Rmult_le_pos; not_negative
  | |- 0 <= _ ^ 2 => apply pow2_ge_0
  | |- 0 <= _ ^ _ => apply pow_le; not_negative
  | _ => apply Rlt_le; positive
  end.

(* d <> 0 for what stands below a fraction: positive, or named among the hypotheses, or a product of such. *)
Ltac nonzero :=
  repeat match goal with |- _ /\ _ => split end;
  first
  [ assumption
  | lra
  | apply Rgt_not_eq; solve [positive]
  | match goal with h : _ <> 0 |- _ <> 0 => solve [intro zero; apply h; lra] end
  | apply Rmult_integral_contrapositive_currified; solve [nonzero]
  | apply pow_nonzero; solve [nonzero]
  | apply Rinv_neq_0_compat; solve [nonzero] ].

Ltac each proof := repeat match goal with |- _ /\ _ => split; [solve [proof] | ] end.
