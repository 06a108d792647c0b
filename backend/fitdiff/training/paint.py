"""Genes to maps: diffuse, specular and normal of a batch of made-up people, all from one height field and one set of masks.
Batched torch, on any device."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..face.skin import ALBEDO_RANGE, HAEMOGLOBIN, MELANIN, Skin
from .canvas import BROW_POINTS, CURVE_POINTS, Canvas, cut, fields, splat
from .genes import Genes
from .skin_bank import blur

TEXEL = 0.56  # millimetres that a texel of 512 covers in the middle of the face
REFERENCE = 512  # texels; sizes below refer to this
STROKE_POINTS = 14


@torch.no_grad()
def paint(canvas: Canvas, genes: Genes) -> Skin:
    """The maps of genes from `genes.draw`, on the canvas' device."""
    g = {name: value.to(canvas.device) for name, value in genes.items()}
    log, height = _plain_skin(canvas, g)
    log, height, marks = _marks(canvas, g, log, height)
    height, folds = _creases(canvas, g, height)
    log = log - folds * log.new_tensor([0.35, 0.5, 0.55]).view(1, 3, 1, 1)
    log, height = _lips(canvas, g, log, height)
    log, matt = _make_up(canvas, g, log)
    log, height, hair = _hair(canvas, g, log, height)
    diffuse = log.exp().clamp(*ALBEDO_RANGE)
    specular = _gloss(canvas, g, height, folds, marks, matt, hair)
    return Skin(diffuse, specular, _normals(height))


def _plain_skin(canvas: Canvas, g: Genes) -> tuple[Tensor, Tensor]:
    """Log albedo: the mean skin, several skins' differences from it mixed by region, pigments. Height: fine detail."""
    size, bank = canvas.size, canvas.bank
    batch = len(g["melanin"])
    melanin = g["melanin"].new_tensor(MELANIN).view(1, 3, 1, 1)
    blood = g["melanin"].new_tensor(HAEMOGLOBIN).view(1, 3, 1, 1)
    mixing = torch.sigmoid(1.5 * fields(g["coarse"], size))  # (B, 3, S, S)

    # Two or three skins, each in its own region, with exaggerated differences.
    first, second = (_picked(bank.broad, g["pick"][:, k]) for k in (0, 1))
    low = F.interpolate(mixing[:, :1], first.shape[2:], mode="area")
    broad = first * low + second * (1 - low)
    tone = broad.mean(1, keepdim=True)
    broad = (tone + 0.6 * (broad - tone)).clamp(
        -0.9, 0.9
    )  # halved: half of their colour is the light they were photographed in
    broad = _turned(broad, g["broad_flip"]) * _spread(g["broad_gain"])
    broad = F.interpolate(broad, (size, size), mode="bicubic", align_corners=False)

    one, other = (_picked(bank.fine, g["pick"][:, k]) for k in (2, 3))
    one, other = _turned(one, g["fine_flip"]), _turned(other, 1 - g["fine_flip"])
    share = mixing[:, 1:2] if size == one.shape[-1] else F.interpolate(mixing[:, 1:2], one.shape[2:], mode="area")
    fine = (one * share + other * (1 - share)) / (share.square() + (1 - share).square()).sqrt()
    if fine.shape[-1] != size:
        fine = F.interpolate(fine, (size, size), mode="area")
    grey = fine.mean(1, keepdim=True)
    # The skins' layouts end behind the face, and the colour of their fine detail is mostly compression.
    fine = (grey + 0.3 * (fine - grey)) * _spread(g["fine_gain"]) * (0.25 + 0.75 * canvas.masks["face"])

    middle = fields(g["middle"], size)
    flush = sum(
        _spread(g["flush"][:, k]) * canvas.masks[name]
        for k, name in enumerate(("cheeks", "nose", "ears", "chin", "forehead"))
    )
    assert isinstance(flush, Tensor)
    patchy = (middle[:, :1] * 0.5 + 0.5 * fields(g["coarse"][:, 2:], size)) * _spread(g["blotch"])
    tan = _spread(g["tan"]) * (canvas.masks["face"] * (0.6 - 0.8 * (canvas.y - 0.3)) - 0.2)
    orbit = canvas.orbit * _spread(g["orbit"])
    pigment = _spread(g["melanin"]) + 0.10 * patchy + 0.5 * tan + 0.45 * orbit
    pigment = pigment + 0.05 * middle[:, 2:] * _spread(g["blotch"])
    ruddy = (
        _spread(g["blood"]) + 1.1 * flush * (1 + 0.25 * middle[:, 1:2]) + 0.45 * middle[:, 1:2] * _spread(g["blotch"])
    )
    ruddy = ruddy + 0.6 * orbit

    white = cut(canvas, g["tile"][:, 0], g["shift"][:, 0])
    soft = blur(white, 1.1 * size / REFERENCE)
    speckle = 0.020 * _unit(soft) * (0.5 + _spread(g["blotch"]))
    contrast = 0.75 + 0.25 * torch.exp(-0.5 * _spread(g["melanin"]).clamp(min=0))  # dark skin hides blood's colour
    log = canvas.mean + broad + fine + melanin * pigment + blood * ruddy * contrast + speckle

    grey = fine.mean(1, keepdim=True)
    pore_field = blur(cut(canvas, g["tile"][:, 1], g["shift"][:, 1]), 0.8 * size / REFERENCE)
    pits = -F.relu(_unit(pore_field) - 0.9)
    where = 0.35 + 0.65 * (canvas.masks["nose"] + canvas.masks["cheeks"] + 0.6 * canvas.masks["forehead"]).clamp(max=1)
    pores = pits * where * _spread(g["pores"])
    height = 0.45 * grey.clamp(-0.25, 0.25) + 0.085 * pores + 0.022 * _unit(soft) * _spread(g["pores"])
    log = log + 0.035 * pores * torch.tensor([0.7, 1.0, 1.05], device=log.device).view(1, 3, 1, 1)
    assert len(log) == batch
    return log, height


def _marks(canvas: Canvas, g: Genes, log: Tensor, height: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Freckles, moles, age spots, blemishes. The last result masks raised, less shiny skin."""
    size = canvas.size
    unit = size / REFERENCE
    melanin = log.new_tensor(MELANIN).view(1, 3, 1, 1)
    tiny = splat(g["freckles"], g["freckle_gain"], size)
    freckles = _dots(tiny, 0.9 * unit) * (1 - _spread(g["freckle_size"])) + _dots(tiny, 1.5 * unit) * _spread(
        g["freckle_size"]
    )
    bare = (1 - canvas.lips) * (1 - canvas.masks["scalp"])
    freckles = 1 - torch.exp(-0.55 * freckles)
    moles = _dots(splat(g["moles"], g["mole_gain"], size), 1.35 * unit)
    moles = (1 - torch.exp(-moles)) * bare
    old = 1 - torch.exp(-_dots(splat(g["spots"], g["spot_gain"], size), 4.0 * unit))
    red = _dots(splat(g["blemishes"], g["blemish_gain"], size), 2.3 * unit)
    red = 1 - torch.exp(-red)
    pale = torch.exp(-0.35 * _spread(g["melanin"]).clamp(min=0))
    log = log + melanin * bare * (1.05 * freckles * pale + 0.55 * old * pale + 2.0 * moles)
    log = log + log.new_tensor([-0.03, -0.42, -0.36]).view(1, 3, 1, 1) * red * bare * pale
    return log, height + bare * (0.25 * moles + 0.22 * red), bare * (0.6 * moles + 0.4 * red)


def _creases(canvas: Canvas, g: Genes, height: Tensor) -> tuple[Tensor, Tensor]:
    """Wrinkles: slightly wandering lines, sharp at the bottom and soft around. The second result is their darkening."""
    size = canvas.size
    unit = size / REFERENCE
    lines = canvas.creases[None] + 0  # (1, W, P, 2)
    along = torch.linspace(0, 1, CURVE_POINTS, device=lines.device)
    waves = torch.stack([torch.sin((k + 1) * 3.1 * along + 2.0 * k) for k in range(3)])  # (3, P)
    wander = (g["crease_wobble"][..., :3, None] * waves).sum(2) * 0.0022 + g["crease_wobble"][..., 3:4] * 0.004
    shifted = lines + torch.stack([0.35 * wander, wander], -1)
    start = g["crease_from"][..., None]
    profile = torch.sin(math.pi * ((along - start) / (1 - start)).clamp(0, 1)).clamp(min=0) ** 0.7
    uneven = (1 + 0.35 * (g["crease_wobble"][..., 4:6, None] * waves[1:]).sum(2)).clamp(0.1, 2)
    depth = g["creases"][..., None] * profile * uneven
    # Splines are sampled every few texels: put several points between two samples.
    dense = F.interpolate(shifted.flatten(0, 1).transpose(1, 2), CURVE_POINTS * 5, mode="linear", align_corners=True)
    points = dense.transpose(1, 2).reshape(len(depth), -1, 2)
    weight = F.interpolate(depth.flatten(0, 1)[:, None], CURVE_POINTS * 5, mode="linear", align_corners=True)
    drawn = splat(points, weight.view(len(depth), -1) * unit, size)
    sharp, soft = blur(drawn, 0.9 * unit), blur(drawn, 3.2 * unit)
    folds = sharp * 0.10 + soft * 0.16
    folds = folds * (1 - canvas.lips)
    return height - (0.16 * sharp + 0.55 * soft) * (1 - canvas.lips), folds.clamp(max=0.45)


def _lips(canvas: Canvas, g: Genes, log: Tensor, height: Tensor) -> tuple[Tensor, Tensor]:
    size = canvas.size
    grain = blur(cut(canvas, g["tile"][:, 2], g["shift"][:, 2]), 1.0 * size / REFERENCE)
    grain = F.avg_pool2d(F.pad(grain, (0, 0, 4, 4), mode="replicate"), (9, 1), 1)  # lines run up and down
    grain = _unit(grain)
    light, blood, brown = g["lip_tone"].unbind(1)
    dark = (0.30 * g["melanin"].clamp(min=0)).view(-1, 1)
    shade = torch.stack(
        [light + 0.10 * blood + 0.3 * brown, light - 0.30 * blood, light - 0.18 * blood - 0.2 * brown], 1
    )
    shade = shade - dark * torch.tensor([0.05, 0.25, 0.2], device=log.device)
    log = log + canvas.lips * (shade[:, :, None, None] - 0.04 * grain)
    log = torch.lerp(
        log, g["lipstick"].clamp(min=0.01).log()[:, :, None, None], canvas.lips * _spread(g["lipstick_gain"])
    )
    return log, height - 0.03 * canvas.lips * grain * (0.6 + _spread(g["age"]))


def _make_up(canvas: Canvas, g: Genes, log: Tensor) -> tuple[Tensor, Tensor]:
    """Foundation, blush and eye shadow. The second result masks matt skin."""
    powder = _spread(g["foundation"]) * canvas.masks["face"] * (1 - canvas.lips)
    smooth = F.interpolate(blur(F.avg_pool2d(log, 4), 2.5), log.shape[2:], mode="bilinear", align_corners=False)
    log = torch.lerp(log, smooth, powder)
    log = log + log.new_tensor([0.0, -0.20, -0.14]).view(1, 3, 1, 1) * _spread(g["blush"]) * canvas.masks["cheeks"]
    shade = g["eyeshadow"].clamp(min=0.01).log()[:, :, None, None]
    return torch.lerp(log, shade, canvas.lid * _spread(g["eyeshadow_gain"])), powder


def _hair(canvas: Canvas, g: Genes, log: Tensor, height: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Brows, lashes, beard and scalp. The last result is their coverage of the skin."""
    size = canvas.size
    unit = size / REFERENCE
    brows = _brows(canvas, g)
    points = canvas.lashes[None, :, :2].expand(len(brows), -1, -1)
    line = splat(points, canvas.lashes[None, :, 2].expand(len(brows), -1) * unit, size)
    lashes = (blur(line, 0.9 * unit) * 0.9).clamp(max=1) * _spread(g["lashes"])
    liner = (blur(line, 1.8 * unit) * 2.0).clamp(max=1) * _spread(g["liner"])
    lashes = torch.maximum(lashes, liner).clamp(max=0.95)

    grain = cut(canvas, g["tile"][:, 3], g["shift"][:, 3])
    dots = blur(grain, 0.5 * unit)
    dots = F.relu(_unit(dots) + 0.4)
    strands = F.avg_pool2d(F.pad(blur(grain, 0.6 * unit), (0, 0, 3, 3), mode="replicate"), (7, 1), 1)
    strands = (0.85 + 0.4 * _unit(strands)).clamp(0, 1.6)
    moustache, goatee, full = (_spread(g["beard_kind"][:, k]) for k in range(3))
    patchy = 1 + 0.22 * fields(g["coarse"][:, :1], size) + 0.10 * fields(g["middle"][:, :1], size)
    patchy = (patchy + _spread(g["beard_edge"])).clamp(0, 1.6)
    above = (canvas.y < 0.668).float() * ((canvas.x - 0.5).abs() < 0.15)
    chin = torch.exp(-(((canvas.x - 0.5) / 0.12) ** 2) * 1.5) * (canvas.y > 0.6)
    above, chin = blur(above, 6 * unit), blur(chin, 6 * unit)
    place = canvas.beard * (1 - moustache * (1 - above)) * (1 - goatee * (1 - chin))
    cover = (_spread(g["beard"]) * place * patchy).clamp(max=1.4)
    stubble = (0.30 * cover + 0.16 * cover * dots).clamp(max=0.8)
    grown = 1 - torch.exp(-1.9 * cover * strands.clamp(min=0.35))
    beard = stubble * (1 - full) + grown * full

    shorn = blur(cut(canvas, g["tile"][:, 4], g["shift"][:, 4]), 0.8 * unit)
    uneven = fields(g["middle"][:, 1:2], size)
    edge = ((canvas.masks["scalp"] + 0.10 * uneven - 0.3) / 0.5).clamp(0, 1)
    scalp = _spread(g["scalp"]) * edge * (0.88 + 0.12 * _unit(shorn)).clamp(0, 1)

    colour = g["hair"].clamp(min=0.004).log()[:, :, None, None]
    brow_colour = g["brow_hair"].clamp(min=0.004).log()[:, :, None, None]
    bluish = log.new_tensor([-0.03, 0.0, 0.03]).view(1, 3, 1, 1)
    under = torch.lerp(log, colour + bluish, (stubble * (1 - full)).clamp(max=0.75) * 0.8)
    log = torch.lerp(under, colour, grown * full)
    log = torch.lerp(log, colour, scalp)
    log = torch.lerp(log, brow_colour, brows)
    log = torch.lerp(log, log.new_tensor([0.012, 0.009, 0.008]).log().view(1, 3, 1, 1), lashes)
    covered = 1 - (1 - brows) * (1 - 0.8 * beard) * (1 - scalp) * (1 - lashes)
    height = height + 0.10 * brows + 0.10 * beard * (strands - 0.7) * full + 0.05 * scalp * (_unit(shorn))
    return log, height, covered


def _brows(canvas: Canvas, g: Genes) -> Tensor:
    """(B, 1, S, S) alpha of strokes along the brows' lines, upright at the nose and flatter outwards."""
    size = canvas.size
    unit = size / REFERENCE
    many, thick, opacity, lift, arch, slant, reach, starts, ends, peak, tail, veil = (
        column[:, None, None] for column in g["brow"].unbind(1)
    )
    batch, _, strokes, _ = g["strokes"].shape
    u, v, w = g["strokes"].unbind(-1)  # (B, 2, N) along, across, strength
    s = starts + (ends - starts) * (0.85 * u + 0.15 * u * u)
    across = (2 * v - 1) * (0.55 + 0.45 * w)
    outwards = torch.tensor([-1.0, 1.0], device=s.device).view(1, 2, 1)
    lines = canvas.brows
    length = (lines[:, 1:] - lines[:, :-1]).norm(dim=-1).sum(1).mean() / 1.24

    def middle(at: Tensor) -> Tensor:
        """(B, 2, N) in brow lengths -> (B, 2, N, 2) on the styled middle line."""
        row = ((at + 0.12) / 1.24 * (BROW_POINTS - 1)).clamp(0, BROW_POINTS - 1.001)
        low = row.floor().long()
        part = (row - low)[..., None]
        side = torch.arange(2, device=at.device).view(1, 2, 1)
        base = lines[side, low] * (1 - part) + lines[side, low + 1] * part
        style = lift + slant * (at - 0.5) + arch * (1 - ((at - peak) / 0.55) ** 2).clamp(min=-1.2)
        return base - torch.stack([torch.zeros_like(style), style * length], -1)

    thickness = thick * length * _profile(s, starts, ends, tail)
    root = middle(s) - torch.stack([torch.zeros_like(s), across * 0.5 * thickness], -1)
    ahead = middle(s + 0.04) - middle(s - 0.04)
    slope = torch.atan2(-ahead[..., 1], ahead[..., 0].abs())
    # Upright at the nose; further out the lower ones rise and the upper ones fall towards the middle line.
    standing = 1.15 * torch.exp(-s.clamp(min=0) * 5.5)
    angle = slope + standing + 0.2 - 0.45 * across * (s / 0.25).clamp(0, 1) - 0.35 * (s - 0.4).clamp(min=0)
    angle = angle + 0.12 * g["stroke_angle"]
    hair = reach * length * (0.5 + 0.5 * w) * (0.75 + 0.25 * torch.sin(3 * s.clamp(0, 1)))
    way = torch.linspace(0, 1, STROKE_POINTS, device=s.device)
    bend = angle[..., None] - 0.3 * way
    step = torch.stack([outwards[..., None] * bend.cos(), -bend.sin()], -1)  # (B, 2, N, P, 2)
    points = root[..., None, :] + (hair[..., None] * way)[..., None] * step
    alive = (torch.arange(strokes, device=s.device) < many * strokes / 1.25).float()
    weight = (alive * (0.5 + 0.5 * w))[..., None] * (1.15 - way) * unit
    ink = splat(points.reshape(batch, -1, 2), weight.reshape(batch, -1), size)
    fine = 1 - torch.exp(-0.62 * blur(ink, 0.55 * unit))
    soft = 1 - torch.exp(-0.30 * blur(ink, 2.6 * unit))
    return (opacity[..., None] * torch.maximum(fine, soft * veil[..., None])).clamp(max=0.97)


def _profile(s: Tensor, starts: Tensor, ends: Tensor, tail: Tensor) -> Tensor:
    """Thickness along the brow: full after its first fifth, pointed at the outer end."""
    x = ((s - starts) / (ends - starts)).clamp(0, 1)
    return (0.62 + 0.38 * (x / 0.2).clamp(max=1)) * (1 - (1 - tail) * ((x - 0.35) / 0.65).clamp(min=0) ** 1.3)


def _gloss(
    canvas: Canvas, g: Genes, height: Tensor, folds: Tensor, marks: Tensor, matt: Tensor, hair: Tensor
) -> Tensor:
    """(B, 1, S, S), 0.5 reflects 4 %: oily in the middle of the face, less in folds and pores, least under hair."""
    oil = 1 + 0.16 * _spread(g["oil"]) * canvas.zone
    patchy = 1 + 0.03 * fields(g["middle"][:, 2:], canvas.size)
    value = canvas.gloss * _spread(g["gloss"]) * oil * patchy
    value = value * (1 + 1.1 * (height - blur(height, 3.0 * canvas.size / REFERENCE)).clamp(-0.15, 0.15))
    value = value * (1 - 0.35 * folds) * (1 - 0.3 * marks) * (1 - 0.45 * matt)
    value = value * (1 + canvas.lips * _spread(g["lipstick_gain"] * g["lipstick_gloss"]))
    return (value * (1 - 0.72 * hair)).clamp(0.02, 1.0)


def _normals(height: Tensor) -> Tensor:
    """Height in millimetres -> tangent-space unit normals, +Y up."""
    padded = F.pad(height, (1, 1, 1, 1), mode="replicate")
    texel = TEXEL * REFERENCE / height.shape[-1]
    slope_x = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / (2 * texel)
    slope_y = (padded[..., :-2, 1:-1] - padded[..., 2:, 1:-1]) / (2 * texel)  # rows run down, v runs up
    return F.normalize(torch.cat([-slope_x, -slope_y, torch.ones_like(height)], 1), dim=1)


def _dots(points: Tensor, sigma: float) -> Tensor:
    """Splats as round spots, with their weight as the middle's value."""
    sigma = max(sigma, 0.4)
    return blur(points, sigma) * (2 * math.pi * sigma * sigma)


def _unit(noise: Tensor) -> Tensor:
    """Each person's field scaled to deviation 1 by itself, so that it does not depend on the batch."""
    return noise / noise.std((1, 2, 3), keepdim=True)


def _spread(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)


def _picked(bank: Tensor, share: Tensor) -> Tensor:
    return bank[(share * len(bank)).long().clamp(max=len(bank) - 1)]


def _turned(pictures: Tensor, flip: Tensor) -> Tensor:
    """The pictures, mirrored where flip (B,) is 1."""
    return torch.where(flip.view(-1, 1, 1, 1) > 0.5, pictures.flip(3), pictures)
