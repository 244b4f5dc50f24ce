"""A class on one server, tried with N students: `make class-check STUDENTS=10`."""
from binder.check import ROOT

BUILD = ROOT / "build" / "class"
