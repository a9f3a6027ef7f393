"""Signs of masked gradients."""

from cnnlab.robustness.curve import Curve, Point, suspicions


def point(epsilon=0.1, noise=0.9, fgsm=0.6, pgd=0.5, loss=2.0, transfer=None):
    return Point(epsilon, noise, fgsm, pgd, min(fgsm, pgd), loss, transfer)


def signs(*points):
    return suspicions(Curve("runs/x", 0.95, points), "linf")


def test_an_ordinary_network_is_not_suspected():
    assert signs(point(0.1, loss=1.0), point(0.2, fgsm=0.4, pgd=0.3, loss=2.0, transfer=0.7)) == []


def test_each_sign_of_masking_is_told():
    assert "PGD is weaker than FGSM: accuracy 0.6500 against 0.6000" in signs(point(pgd=0.65))[0]
    assert "PGD is weaker than random noise" in signs(point(noise=0.4, fgsm=0.6))[0]
    assert "images made for another network are stronger: 0.4000 against 0.5000" in signs(point(transfer=0.4))[0]
    assert "the loss does not grow with epsilon: 2, 1" in signs(point(loss=2.0), point(0.2, loss=1.0))[0]
