import pytest

from auditkit.core.figure import Axis, Figure, Point, Series
from auditkit.report.figures import draw


def figure(kind: str, *series: tuple[Point, ...], **fields) -> Figure:
    axes = {"x": Axis(label="x"), "y": Axis(label="y")}
    named = tuple(Series(name=f"s{i}", points=p) for i, p in enumerate(series))
    return Figure(kind=kind, title="T", alt="A", series=named, **{**axes, **fields})


def test_intervals_stand_where_the_axis_says() -> None:
    points = (Point(label="a", x=0.25, low=0.0, high=1.0, n=9), Point(label="b", x=0.75, low=0.5, high=1.0, n=9))
    drawn = draw(figure("intervals", points, x=Axis(label="rate", low=0, high=1), reference=0.5))
    (first,), (second,) = (row.marks for row in drawn.rows)
    span = drawn.right - drawn.left
    assert first.x == pytest.approx(drawn.left + 0.25 * span, abs=0.1)
    assert (first.low, first.high) == (drawn.left, drawn.right)
    assert second.x == pytest.approx(drawn.left + 0.75 * span, abs=0.1)
    assert drawn.reference.at == pytest.approx(drawn.left + 0.5 * span, abs=0.1)
    assert drawn.rows[0].value == "0.250 [0.000, 1.000]  n = 9"
    assert first.y < second.y < drawn.bottom < drawn.height


def test_bars_start_at_zero() -> None:
    drawn = draw(figure("bars", (Point(label="a", y=-2.0), Point(label="b", y=3.0))))
    (negative,), (positive,) = (row.marks for row in drawn.rows)
    assert negative.x < negative.zero == positive.zero < positive.x


def test_reliability_is_square_with_whiskers_and_larger_dots_for_more_rows() -> None:
    points = (Point(x=0.0, y=0.0, low=0.0, high=0.1, n=10), Point(x=1.0, y=1.0, low=0.9, high=1.0, n=1000))
    drawn = draw(figure("reliability", points))
    low, high = drawn.curves[0].dots
    assert drawn.right - drawn.left == drawn.bottom - drawn.top
    assert (low.x, low.y) == (drawn.left, drawn.bottom)
    assert (high.x, high.y) == (drawn.right, round(drawn.top, 1))
    assert low.radius < high.radius
    assert low.high < low.y


def test_a_missing_point_breaks_the_line() -> None:
    points = tuple(Point(x=i, y=None if i == 2 else 1.0 * i, low=i - 1, high=i + 1) for i in range(6))
    (curve,) = draw(figure("lines", points)).curves
    assert [run.count(",") for run in curve.lines] == [2, 3]
    assert len(curve.bands) == 2


def test_the_data_table_holds_every_number_drawn() -> None:
    one, two = (Point(label="a", x=0.1, low=0.05, high=0.2, n=1234),), (Point(label="a", x=0.3),)
    table = draw(figure("intervals", one, two)).table
    assert table.columns == ("Series", "Name", "x", "Interval", "Rows")
    assert table.rows == (("s0", "a", "0.100", "[0.050, 0.200]", "1,234"), ("s1", "a", "0.300", "", ""))


@pytest.mark.parametrize("kind", ["intervals", "bars", "lines", "reliability"])
@pytest.mark.parametrize("points", [(), (Point(),), (Point(label="a", x=1e308, y=-1e308),)])
def test_nothing_and_extremes_can_be_drawn(kind: str, points: tuple[Point, ...]) -> None:
    drawn = draw(figure(kind, points))
    assert drawn.height > 0
    assert all(drawn.left <= t.at <= drawn.right for t in drawn.x_ticks)


def test_many_rows_are_cut_and_counted() -> None:
    points = tuple(Point(label=f"g{i}", x=0.5) for i in range(300))
    drawn = draw(figure("intervals", points))
    assert len(drawn.rows) == 40
    assert "40 of 300" in drawn.note
    assert len(drawn.table.rows) == 200
    assert "200 of 300" in drawn.table.note
