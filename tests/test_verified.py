"""The machinery of the verified mathematics: it proves what is true and refuses all else.

The equations themselves are tried by `python -m ddpm_lite.verified report`, a stage of `make test`.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import sympy as sp

from ddpm_lite.verified import __main__ as cli
from ddpm_lite.verified import attempt, audit, entries, entry, prove, registry, symbols
from ddpm_lite.verified import sync as sync_module
from ddpm_lite.verified.decide import Close, Fails, Positive, decide
from ddpm_lite.verified.formula import Formula, value
from ddpm_lite.verified.kernel import S, conditional, covariance, expectation, kl, moments, noise, path
from ddpm_lite.verified.mutate import mutants
from ddpm_lite.verified.statements import Chain, Equation, GaussianLaw, Joined, flat, form, label

ROOT = Path(__file__).parent.parent
TILDE = Equation("beta_tilde_t", "(1 - alpha_bar_prev)/(1 - alpha_bar_t)*beta_t")


def made(statement, check, tier="proved", **more):
    return registry.Entry("mine", statement, check, tier, "Mine", "", (), **more)


# --- formulas: one text, its LaTeX and its value


@pytest.mark.parametrize(
    "text, latex",
    [
        (
            "sqrt(alpha_bar_t)*x_0 + sqrt(1 - alpha_bar_t)*eps",
            r"\sqrt{\bar\alpha_t}\,x_0 + \sqrt{1 - \bar\alpha_t}\,\varepsilon",
        ),
        (
            "(1 - alpha_bar_prev)/(1 - alpha_bar_t)*beta_t",
            r"\frac{1 - \bar\alpha_{t-1}}{1 - \bar\alpha_t}\,\beta_t",
        ),
        ("alpha_t*(1 - alpha_bar_prev)", r"\alpha_t\,\left(1 - \bar\alpha_{t-1}\right)"),
        ("sigma_t**2", r"\sigma_t^{2}"),
        ("(x_0 + z)**2", r"\left(x_0 + z\right)^{2}"),
        ("x_0 - (z + eps)", r"x_0 - \left(z + \varepsilon\right)"),
        ("-(x_0 + z)", r"-\left(x_0 + z\right)"),
        ("2*3", r"2 \cdot 3"),
        ("log(SNR_t)", r"\log\left(\mathrm{SNR}_t\right)"),
        ("Prod(alpha(s), s, 1, t)", r"\prod_{s=1}^{t} \alpha_{s}"),
        ("beta(t + 1)", r"\beta_{t + 1}"),
        ("under(beta_t, 'w')*z", r"\underbrace{\beta_t}_{w}\,z"),
        ("paren(1 - beta_t) + z", r"\left(1 - \beta_t\right) + z"),
    ],
)
def test_latex_is_written_as_typed(text, latex):
    assert Formula(text).latex == latex


def test_the_value_is_the_same_formula():
    a, b, x = S("alpha_bar_t"), S("eps"), S("x_0")
    assert value("sqrt(alpha_bar_t)*x_0 + sqrt(1 - alpha_bar_t)*eps") == sp.sqrt(a) * x + sp.sqrt(1 - a) * b
    assert value("1/2 + 0.25*3") == sp.Rational(5, 4)
    assert value("Sum(beta(s), s, 1, 3)").doit() == sum(
        sp.Function("beta", positive=True)(i) for i in (1, 2, 3)
    )


@pytest.mark.parametrize(
    "text, said",
    [
        ("x_5", "unknown symbol 'x_5'"),
        ("x_0 +", "isn't a formula"),
        ("__import__('os')", "can't hold"),
        ("x_0 if z else eps", "can't hold"),
        ("'words'", "can't hold"),
        ("foo(x_0)", "can't hold"),
        ("True", "can't hold"),
    ],
)
def test_a_typo_is_named(text, said):
    with pytest.raises(ValueError, match=said):
        value(text)


def test_names_and_latex_forms_are_unique():
    for taken in ("alpha_t", "new_name"):
        with pytest.raises(ValueError, match="already|both print"):
            symbols.symbol(taken, r"\alpha_{t}")
    with pytest.raises(ValueError, match="domain"):
        symbols.symbol("new_name", "new", "complex")
    entries()
    forms = [symbols._squeezed(row.latex) for row in symbols.TABLE.values()]
    assert len(forms) == len(set(forms))
    assert {slip for row in symbols.TABLE.values() for slip in row.mistaken_for} <= set(symbols.TABLE)


def test_every_shorthand_is_registered():
    entries()
    stated = {}
    for one in entries().values():
        for slot, name in one.statement.slots.items():
            if slot.startswith(("lhs", "name", "line0")):
                stated.setdefault(name.text, []).append(one.id)
    for name in symbols.DERIVED:
        base = name                                                     # the same law at another time will do
        for suffix in ("_prev", "_prev2", "_next", "_s", "_T"):
            if name not in stated and name.endswith(suffix):
                base = name.removesuffix(suffix) + "_t"
        base = {"beta_t": "alpha_t"}.get(base, base)                    # alpha_t = 1 - beta_t
        assert {base, f"{base} ** 2"} & set(stated), f"the shorthand {name} is registered nowhere"


# --- decisions: proved, refuted, undecided


def test_a_true_residual_is_proved_and_a_false_one_refuted_at_a_point():
    root = value("sqrt(alpha_bar_t) - sqrt(alpha_t)*sqrt(alpha_bar_prev)")
    assert decide(root).kind == "proved"
    verdict = decide(value("sqrt(alpha_bar_t) - sqrt(alpha_t)"))
    assert verdict.kind == "refuted" and "alpha_t = 7/9" in verdict.why
    assert decide(value("log(alpha_bar_t) - log(alpha_t) - log(alpha_bar_prev)")).kind == "proved"
    assert decide(value("sqrt((1 - alpha_t)*(1 - alpha_bar_t)) - sqrt(1 - alpha_t)*sqrt(1 - alpha_bar_t)"))


def test_signs_numbers_and_plain_claims():
    assert decide(Positive(value("1 - alpha_bar_t")))
    assert decide(Positive(value("alpha_bar_t - alpha_t"))).kind == "refuted"
    assert decide(Positive(value("(x_0 - z)**2"), strict=False))
    assert decide(Close(1e-9, 1e-8)) and decide(Close(1e-7, 1e-8)).kind == "refuted"
    assert decide(Fails("no")).why == "no" and decide(True) and decide(False).kind == "refuted"
    assert decide(sp.sqrt(value("alpha_t - 1"))).kind == "refuted"  # no real value


@pytest.mark.parametrize("false", [
    "log(x_0*x_t) - log(x_0) - log(x_t)",  # true where one of the two is positive
    "sqrt(x_0**2*x_t**2) + x_0*x_t",  # true where the signs differ
    "log(x_0**2) - 2*log(x_0)", "sqrt((x_0 + 10)**2) - x_0 - 10"])
def test_no_branch_of_a_root_or_logarithm_is_taken_for_granted(false):
    assert decide(value(false)).kind != "proved"


def test_moments_need_something_linear():
    for odd in (noise("a") ** 2, noise("a") * noise("b"), sp.exp(noise("a"))):
        with pytest.raises(ValueError, match="linear"):
            moments(odd)


def test_what_can_not_be_evaluated_is_undecided_and_no_proof():
    unknown = sp.Function("f")(S("x_0"))
    assert decide(unknown).kind == "undecided"
    trial = attempt(made(Equation("x_0", "x_t"), lambda s: iter([("a riddle", unknown)])))
    assert not trial.ok and "undecided" in trial.fault


def test_the_kernel_by_hand():
    a, b = sp.Rational(9, 25), sp.Rational(1, 4)
    at = {S("alpha_bar_prev"): b, S("alpha_t"): a, S("x_0"): 2}
    now, before = path()["x_t"], path()["x_prev"]
    mean, var = moments(now)
    assert (mean.subs(at), var.subs(at)) == (sp.Rational(3, 5), 1 - a * b)  # sqrt(9/100) 2
    assert covariance(now, before).subs(at) == sp.Rational(3, 5) * sp.Rational(3, 4)
    mean, var = conditional(before, now, S("x_t"))
    assert sp.simplify(var.subs(at) - sp.Rational(3, 4) * sp.Rational(16, 25) / (1 - a * b)) == 0
    e = noise("e")
    assert expectation((2 + 3 * e) ** 2, e) == 13 and expectation(e**4, e) == 3
    assert (
        sp.simplify(kl((sp.Integer(1), sp.Integer(1)), (sp.Integer(0), sp.Integer(1))) - sp.Rational(1, 2))
        == 0
    )


# --- mutants


def test_mutants_are_the_slips_of_the_field():
    texts = {m.text for _, m in mutants(Formula("sqrt(alpha_bar_t)*x_0 + sqrt(1 - alpha_bar_t)*eps"))}
    assert {
        "sqrt(alpha_t) * x_0 + sqrt(1 - alpha_bar_t) * eps",  # alpha for alpha_bar
        "sqrt(alpha_bar_t) * x_0 + sqrt(1 - alpha_bar_prev) * eps",  # t - 1 for t
        "sqrt(alpha_bar_t) * x_0 + (1 - alpha_bar_t) * eps",  # a root dropped
        "sqrt(alpha_bar_t) * x_0 - sqrt(1 - alpha_bar_t) * eps",  # a sign
        "sqrt(alpha_bar_t) * x_0",
        "sqrt(1 - alpha_bar_t) * eps",  # a term dropped
        "sqrt(alpha_bar_t) + sqrt(1 - alpha_bar_t) * eps",  # a factor dropped
        "sqrt(alpha_bar_t) * x_0 + sqrt(2 - alpha_bar_t) * eps",
    } <= texts  # a number
    assert "sigma_t" in {m.text for _, m in mutants(Formula("sigma_t**2"))}  # a square dropped
    assert {m.text for _, m in mutants(Formula("alpha(s)"))} == {
        "-alpha(s)", "alpha_bar(s)", "beta(s)", "alpha(s - 1)"}
    assert all(m.text != "x_0 + z" for _, m in mutants(Formula("x_0 + z")))


@pytest.mark.parametrize(
    "check, said",
    [
        (lambda s: iter(()), "proves nothing"),
        (lambda s: iter([("nothing is nothing", sp.Integer(0))]), "mutants survive"),
        (lambda s: iter([("true", True)]), "mutants survive"),
        (
            lambda s: iter(
                [("only one side", s.lhs - value("(1 - alpha_bar_prev)/(1 - alpha_bar_t)*beta_t"))]
            ),
            "mutants survive",
        ),
        (
            lambda s: iter(
                [
                    (
                        "the square can't see a sign",
                        s.rhs**2 - value("(1 - alpha_bar_prev)/(1 - alpha_bar_t)*beta_t") ** 2,
                    )
                ]
            ),
            "mutants survive",
        ),
        (lambda s: iter([("false", s.rhs - value("beta_t"))]), "refuted: false"),
    ],
)
def test_a_check_that_can_not_fail_is_refused(check, said):
    trial = attempt(made(TILDE, check))
    assert not trial.ok and said in trial.fault


def test_excuses_must_name_survivors():
    honest = entry("posterior-variance").check
    assert attempt(made(TILDE, honest)).ok
    assert "not among the survivors" in attempt(made(TILDE, honest, excused={"rhs: nonsense": "?"})).fault


def test_a_published_slip_that_passes_is_a_fault():
    trial = attempt(made(TILDE, entry("posterior-variance").check, slips={"no slip at all": TILDE}))
    assert trial.same == 1 or not trial.ok


def test_every_error_in_a_check_but_absurdity_is_loud():
    def broken(s):
        yield "no such slot", s.nonsense

    with pytest.raises(AttributeError, match="no slot 'nonsense'"):
        attempt(made(TILDE, broken))


# --- the registry


def test_a_typo_in_a_statement_is_seen():
    """Each registered formula of the posterior, with one symbol mistyped, is refused."""
    one = entry("posterior-variance")
    typo = Equation("beta_tilde_t", "(1 - alpha_bar_prev)/(1 - alpha_t)*beta_t")
    trial = attempt(made(typo, one.check))
    assert not trial.ok and trial.fault.startswith("refuted")


def test_names_are_unique_and_tiers_known():
    with pytest.raises(ValueError, match="two equations are called closed-form"):
        registry.definition("closed-form", TILDE, title="again")
    with pytest.raises(ValueError, match="tiers"):
        registry.equation("x", TILDE, title="", tier="cited")
    with pytest.raises(ValueError, match="source"):
        registry.definition("x", TILDE, title="", tier="cited")
    with pytest.raises(ValueError, match="did you mean one of: .*closed-form"):
        entry("closed-fom")


def test_proofs_show_themselves_as_text_and_markdown():
    proof = prove("posterior-variance")
    said, shown = repr(proof), proof._repr_markdown_()
    assert said.startswith("Proved: The posterior's variance\n1. ") and "mutants tried" in said
    assert entry("posterior-variance").statement.latex in shown and shown.count("$$") == 2
    assert repr(prove("alpha")).startswith("A definition")


def test_no_torch_in_here():
    code = (
        "import sys, ddpm_lite.verified.audit as a; from ddpm_lite.verified import entries; a.claims();"
        "[list(e.check(e.statement)) for e in entries().values() if e.check];"
        "print(sorted({'torch', 'numpy', 'matplotlib', 'ddpm_lite.schedule'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.stdout == "[]\n", run.stdout + run.stderr


# --- statements


def test_shells():
    assert Equation(label(r"\operatorname{Var}(x_t)"), "V_t").latex == r"\operatorname{Var}(x_t) = V_t"
    law = GaussianLaw("x_t", "x_0", "1 - alpha_bar_t", given="x_0")
    assert law.latex == (
        r"q(x_t \mid x_0) = \mathcal N\left(x_t;\ x_0,\ "
        r"\left(1 - \bar\alpha_t\right) I\right)"
    )
    assert law.mean == S("x_0") and law.name_in("given0") == "x_0"
    chain = Chain("x_0", "z", "eps", relations=("=", r"\le"))
    assert chain.latex == "\\begin{aligned}\nx_0 &= z \\\\\n&\\le \\varepsilon\n\\end{aligned}"
    assert chain.lines() == [S("z"), S("eps")]
    both = Joined(Equation("x_0", "z"), Equation("eps", "v"))
    assert both.latex == r"x_0 = z,\qquad \varepsilon = v" and both.rhs1 == S("v")


def test_flat_forms_ignore_looks_alone():
    assert flat(r"\bar\alpha_{t-1} = \dfrac{1}{2}") == flat(r"\bar\alpha_{t-1}=\frac12")
    assert flat(r"\left(x\right)\,y") == flat("(x) y") and flat(r"\alpha_t") != flat(r"\bar\alpha_t")
    assert flat(r"\leftarrow") == r"\leftarrow"


def test_forms_keep_the_braces_that_matter():
    assert form(r"\bar\alpha_{t-1} = \dfrac{1}{2}.") == form(r"\bar{\alpha}_{t - 1}=\frac12")
    assert form(r"\left(x\right)\,y") == form("(x) y")
    assert form(r"\bar\alpha_{t-1}") != form(r"\bar\alpha_t-1")  # the -1 slid out of the index
    assert form(r"\sqrt{x}y") != form(r"\sqrt{xy}")


@pytest.mark.parametrize("text", [r"w_0 + w_t = 1", r"\sigma_t\tau = 1", r"x_0x_t = 2", r"x_{t-1} + y = 3"])
def test_a_sum_or_a_product_is_no_plain_value(text):
    assert sync_module.is_relation(text) and not sync_module.is_relation("x_{t-1} = 2")


# --- notebooks


def notebook(tmp_path, *sources, name="03_mine.ipynb"):
    file = tmp_path / name
    cells = [
        {"cell_type": "markdown", "metadata": {}, "id": f"c{i}", "source": s.splitlines(keepends=True)}
        for i, s in enumerate(sources)
    ]
    file.write_text(
        json.dumps(
            {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5},
            indent=1,
            sort_keys=True,
            ensure_ascii=False,
        )
        + "\n"
    )
    return file


EMPTY = "<!-- eq: closed-form -->\n<!-- /eq -->"


def test_sync_writes_blocks_and_is_idempotent(tmp_path, capsys):
    file = notebook(tmp_path, f"Before\n\n{EMPTY}\n\nafter", "<!-- eq: alpha -->\n<!-- /eq -->")
    assert cli.main(["sync", str(file)]) == 0 and "written" in capsys.readouterr().out
    text = "".join(sync_module.read(file)["cells"][0]["source"])
    assert text == f"Before\n\n{sync_module.block(entry('closed-form'), '3.1')}\n\nafter"
    assert r"\tag{3.1 ✓⊢}" in text
    assert "\\tag{3.2}\n" in "".join(sync_module.read(file)["cells"][1]["source"])  # a definition: no tick
    before = file.read_bytes()
    assert cli.main(["sync", str(file)]) == 0 and file.read_bytes() == before
    assert (
        cli.main(["check", str(file)]) == 0
        and "2 equations registered, fresh and proved" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    "source, said",
    [
        (EMPTY, "a block differs from the registry"),
        ("<!-- eq: no-such -->\n$$\nx\n$$\n<!-- /eq -->", "unregistered equation 'no-such'"),
        ("$$x_t = x_0$$", "display mathematics outside a block"),
        (r"\[ x_t = x_0 \]", "display mathematics outside a block"),
        ("\\begin{align}\nx\n\\end{align}", "display mathematics outside a block"),
        ("<!-- eq: alpha -->\n$$x$$", "a marker without its partner"),
        (r"so $\tilde\beta_t = \beta_t$ here", "unregistered relation"),
        (r"so $x_t = \sqrt{\alpha_t}\,x_0$", "unregistered relation"),
        (r"so \(x_t = \sqrt{\alpha_t}\,x_0\)", "unregistered relation"),
        (r"$\bar\alpha_T \to 1$", "unregistered relation"),
    ],
)
def test_check_names_each_fault(tmp_path, capsys, source, said):
    assert cli.main(["check", str(notebook(tmp_path, "# Title", source))]) == 1
    assert "03_mine.ipynb, cell 1: " + said in capsys.readouterr().out


def test_a_stored_block_with_a_typo_is_stale(tmp_path, capsys):
    file = notebook(tmp_path, EMPTY)
    cli.main(["sync", str(file)])
    file.write_text(file.read_text().replace(r"\\bar\\alpha_t", r"\\alpha_t", 1))
    assert (
        cli.main(["sync", "--check", str(file)]) == 1
        and "differs from the registry" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    "source",
    [
        "$T = 1000$, $t=1$, $t \\ge 2$, $s<t$, $x_0=2$, $t = 1, \\dots, T$, $T \\to \\infty$, $\\eta = 0$",
        r"as $\alpha_t := 1 - \beta_t$ says, or $\alpha_t = 1-\beta_t$",
        "`$x = y + z$` in code",
        r"$\sum_{s=1}^{t}\beta_s$ claims nothing",
        r"```" + "\n$$x=y$$\n" + r"```",
        r"it costs \$5 and \$6 = 11",
    ],
)
def test_values_definitions_and_code_pass(tmp_path, source):
    assert list(sync_module.faults(notebook(tmp_path, source))) == []


def test_no_inline_form_is_idle():
    """They are typed beside the statement, out of the mutants' reach: as few as the notebooks print."""
    printed = set()
    for file in (ROOT / "notebooks").glob("*.ipynb"):
        for _, source in sync_module.markdown(sync_module.read(file)):
            printed |= {form(formula) for formula in sync_module.inline(source)}
    assert [latex for one in entries().values() for latex in one.inline if form(latex) not in printed] == []


def test_an_unproved_equation_in_a_notebook_is_seen(tmp_path, capsys, monkeypatch):
    file = notebook(tmp_path, EMPTY)
    cli.main(["sync", str(file)])
    one = entry("closed-form")
    empty = registry.Entry(one.id, one.statement, lambda s: iter(()), one.tier, one.title, one.source)
    monkeypatch.setitem(registry.ENTRIES, "closed-form", empty)
    assert cli.main(["check", str(file)]) == 1
    assert "closed-form: the check proves nothing" in capsys.readouterr().out


@pytest.mark.parametrize(
    "path, said",
    [("nowhere.ipynb", "no such notebook"), ("bad.ipynb", "isn't a notebook"), ("empty", "no notebooks in")],
)
def test_bad_paths_are_one_line(tmp_path, capsys, path, said):
    (tmp_path / "bad.ipynb").write_text('{"cells": 3}')
    (tmp_path / "empty").mkdir()
    assert cli.main(["check", str(tmp_path / path)]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


# --- the audit


def test_every_claim_has_one_verdict_and_in_the_order_of_the_documents():
    counts = {"S0": 29, "S1": 93, "S2": 16, "S3": 16, "S4": 148}
    seen = [claim.id.partition(".")[0] for claim in audit.claims().values()]
    assert {source: seen.count(source) for source in counts} == counts
    assert {claim.verdict for claim in audit.claims().values()} <= set(audit.VERDICTS)


def test_a_verdict_without_ground_is_seen():
    def faults(**more):
        return " ".join(audit.judge(audit.Claim("S9.1", **more)))

    assert "no binding" in faults(verdict="correct")
    assert "neither registered" in faults(verdict="correct", binding="no-such")
    assert "no reason" in faults(verdict="not-checkable")
    assert "missing" in faults(verdict="wrong", binding="closed-form", corrected="x")
    true, false = entry("posterior-variance").statement, Equation("beta_tilde_t", "beta_t")
    grounds = dict(binding="posterior-variance", corrected="x", reason="y")
    assert faults(verdict="wrong", printed=false, false=True, **grounds) == ""
    assert "can't refute" in faults(verdict="wrong", printed=true, false=True, **grounds)
    assert "the printed form: refuted" in faults(
        verdict="correct", printed=false, binding="posterior-variance"
    )


def test_the_audit_is_printed_as_a_list(capsys):
    assert cli.main(["audit", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 302 and all(
        set(row) == {"id", "verdict", "corrected", "binding", "reason"} for row in rows
    )
    for row in rows:
        assert row["verdict"] == "not-checkable" or row["binding"], row["id"]
        assert row["verdict"] not in ("wrong", "correct-up-to") or row["corrected"], row["id"]
