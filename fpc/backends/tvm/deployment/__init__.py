"""Running an artifact without fpc and without Python: a C++ program and what builds it.

Every artifact takes both with it, as they are: they read everything else from its manifest.
"""
