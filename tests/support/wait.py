"""Waiting for what must come true, with a deadline; never for luck."""
import time


def until(what, seconds=15):
    """Asks until the answer is true and gives it back."""
    end = time.time() + seconds
    while time.time() < end:
        answer = what()
        if answer:
            return answer
        time.sleep(0.005)
    raise AssertionError("it did not happen in time")
