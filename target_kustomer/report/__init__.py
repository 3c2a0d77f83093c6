"""The report of a run: what it did, in numbers and plots, without a value of any record.

``gather`` listens while the run goes, ``document`` makes a JSON document of what it heard,
``page`` makes a page of the document, and ``report`` puts one of the two on the disk. The plots
are drawn by uPlot 1.6.32 (MIT, ``uPlot.LICENSE``), which stands beside them as its project
publishes it.
"""
