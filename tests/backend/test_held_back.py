"""`held_back.py`: the portraits that nothing may learn from."""

from fitdiff.held_back import held_back


def test_a_portrait_is_held_back_by_its_name_alone_and_for_good():
    names = [f"ai_{sex}_{number}" for sex in ("female", "male") for number in range(1, 9)]
    assert [name for name in names if held_back(name)] == ["ai_female_8", "ai_male_6"]


def test_about_a_fifth_is_held_back():
    assert 0.18 < sum(held_back(f"int_{number:03d}") for number in range(1000)) / 1000 < 0.22
