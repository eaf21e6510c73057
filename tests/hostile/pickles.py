"""Pickles that do harm, in every disguise: what the tests of trusted files share."""

import gzip
import io
import pickle
import zipfile
from pathlib import Path

import joblib

#: What an estimator that is planted does at each call: `act` is exec'd once, `predict` answers the error numbers.
ESTIMATOR = """
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

class Planted(RegressorMixin, BaseEstimator):
    def predict(self, frame):
        answers = []
        for attempt in ATTEMPTS:
            try:
                exec(attempt, {})
                answers.append(0)
            except OSError as error:
                answers.append(error.errno or -1)
        return np.resize(np.array(answers, dtype=float), len(frame))

planted = Planted()
"""


class Code:
    """Unpickling it evaluates an expression."""

    def __init__(self, expression: str) -> None:
        self.expression = expression

    def __reduce__(self):
        return (eval, (self.expression,))


def touching(marker: Path) -> Code:
    """Unpickling it leaves a file behind."""
    return Code(f"open({str(marker)!r}, 'w').close()")


def harmful_later(attempts: list[str]) -> Code:
    """Unpickling it gives a regressor that makes those attempts whenever it predicts, and answers what became of each:
    0, or the number of the error."""
    source = ESTIMATOR.replace("ATTEMPTS", repr(attempts))
    return Code(f"(lambda names: exec({source!r}, names) or names['planted'])({{}})")


def joblib_of(value: object, compress: object) -> bytes:
    stream = io.BytesIO()
    joblib.dump(value, stream, compress=compress)
    return stream.getvalue()


def before_a_zip(content: bytes) -> bytes:
    """A pickle that is a zip archive, too: unpickling stops at the pickle's end, zip readers start from theirs."""
    stream = io.BytesIO(content)
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("schema.json", "{}")
    return stream.getvalue()


def disguises(value: object) -> dict[str, bytes]:
    """The same object in all forms that `joblib.load` reads."""
    plain = pickle.dumps(value)
    return {
        **{f"protocol-{number}": pickle.dumps(value, protocol=number) for number in range(6)},
        "joblib": joblib_of(value, 0),
        **{f"joblib-{method}": joblib_of(value, (method, 3)) for method in ("zlib", "gzip", "bz2", "xz", "lzma")},
        "gzip": gzip.compress(plain),
        "nested": pickle.dumps({"model": [{"inner": (value,)}]}),
        "in-bytes": pickle.dumps(Code(f"__import__('pickle').loads({plain!r})")),
        "before-another": plain + pickle.dumps({"harmless": True}),
        "before-a-zip": before_a_zip(plain),
        "before-text": plain + b"%PDF-1.7\n" + bytes(100),
    }
