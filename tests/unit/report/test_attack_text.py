"""What is said of attacks: no more than the intervals allow."""

from equimorph.report import attack_text

SETTINGS = {"population": 100, "generations": 10}


def attack_sentences(measures):
    return attack_text.attack_sentences(measures, SETTINGS)


VICTIMS = {"common": 50, "available": {"common": 120}}


def network(successes, ci95=(0.01, 0.1)):
    common = {"successes": successes, "victims": 50, "rate": successes / 50, "ci95": list(ci95)}
    return {"common": {**common, "queries_per_victim": 26376.0}}


def measures(comparisons=(), trend=None, beyond=None):
    networks = {"CNN": network(5), "C4": network(1), "D4": network(2)}
    one = {"networks": networks, "comparisons": list(comparisons), "trend": trend}
    return {
        "training_seed": 3,
        "victims": VICTIMS,
        "methods": {"exhaustion": one},
        "beyond_corners": beyond,
    }


def compared(name, difference, p):
    return {"a": name, "b": "CNN", "difference": difference, "holm_p": p}


def test_the_least_and_the_most():
    text = " ".join(attack_sentences(measures()))
    assert "50 test images" in text and "drawn from 120" in text and "seed 3" in text
    assert "2.0 % (1 of 50; 95 % interval [1.0, 10.0]) of them for C4" in text
    assert (
        "10.0 % (5 of 50; 95 % interval [1.0, 10.0]) of them for CNN, the least" in text
        and "26,376" in text
    )


def test_differences_from_the_reference():
    rows = [compared("C4", -0.2, 0.01), compared("D4", -0.1, 0.2)]
    text = " ".join(attack_sentences(measures(rows)))
    assert "lower than that of CNN for C4 (McNemar" in text and "No network" not in text
    text = " ".join(attack_sentences(measures([compared("D4", -1.0, 0.5)])))  # of two victims
    assert "No network's rate is distinguishable from that of CNN" in text


def test_what_two_methods_agree_on_is_said_once():
    both = measures([compared("D4", -0.1, 0.5)])
    both["methods"]["evolution"] = both["methods"]["exhaustion"]
    text = " ".join(attack_sentences(both))
    assert text.count("distinguishable") == 1
    assert "By exhaustion and evolution, no network's rate is distinguishable from that" in text
    lower = measures([compared("D4", -0.2, 0.01)])["methods"]["exhaustion"]
    both["methods"] = {**both["methods"], "evolution": lower}
    text = " ".join(attack_sentences(both))
    assert "By exhaustion, no network's rate" in text
    assert "By evolution, the rate is lower than that of CNN for D4" in text


def test_whether_a_larger_group_resists_better():
    def said(slope, ci95):
        trend = {"networks": ["C4", "D4", "D8"], "victims": 30, "slope": slope, "ci95": ci95}
        return " ".join(attack_sentences(measures(trend=trend)))

    assert "Among these trainings, a larger group resists better" in said(-0.02, [-0.03, -0.01])
    assert "−2.0 points (95 % interval over victims [−3.0, −1.0]" in said(-0.02, [-0.03, -0.01])
    assert "Among these trainings, a larger group resists less" in said(0.02, [0.01, 0.03])
    assert "is not shown" in said(0.02, [-0.01, 0.03])
    assert "cannot be told from 30 victims that answer alike" in said(0.0, None)
    few = {"networks": ["C4", "D4", "D8"], "victims": 4, "slope": 0.1, "ci95": None}
    text = " ".join(attack_sentences(measures(trend=few)))
    assert "cannot be told from 4 victims: 20 are the least." in text


def test_networks_that_are_alike_are_named_together():
    alike = measures()
    alike["methods"]["exhaustion"]["networks"]["D4"] = network(5)
    text = " ".join(attack_sentences(alike))
    assert "of them for C4 and on 10.0 % (5 of 50" in text and "of them for CNN and D4, the" in text


def test_the_budget_of_the_evolution_stands_beside_the_published_one():
    evolved = measures()
    evolved["methods"] = {"evolution": evolved["methods"]["exhaustion"]}
    text = " ".join(attack_sentences(evolved))
    assert "100 members in at most 10 generations, where the published attack has 400 and" in text


def test_where_evolution_goes_beyond_the_corners():
    beyond = {
        "CNN": {"evolution_alone": 1, "exhaustion_alone": 2, "both": 3, "victims": 50},
        "D4": {"evolution_alone": 0, "exhaustion_alone": 2, "both": 0, "victims": 50},
    }
    text = attack_sentences(measures(beyond=beyond))[-1]
    assert "both methods succeed 3 times, exhaustion alone 4 times" in text
    assert "a colour that is no corner, once" in text


def test_without_common_victims_nothing_is_compared():
    empty = {"victims": {**VICTIMS, "common": 0}, "methods": {}, "beyond_corners": None}
    (sentence,) = attack_sentences(empty)
    assert "no test image right together" in sentence
