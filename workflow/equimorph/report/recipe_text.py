"""A training recipe as sentences, from the keys of the config."""

from typing import Any

from equimorph.study.recipes import LOSS_KEYS

# Names that have no words here are shown as they are.
_OPTIMISERS = {"adamw": "AdamW", "adam": "Adam", "radam": "RAdam", "sgd": "SGD"}
_SAMPLERS = {
    "weighted": "classes drawn equally often",
    "over": "small classes shown as often as the largest",
    "under": "large classes shown as often as the smallest",
}
_KEPT = {
    "loss": "the best epoch on validation",
    "accuracy": "the epoch with the highest validation accuracy",
    "last": "the last epoch",
}
_GEOMETRY = {"rotation": "rotations", "flip": "reflections", "shift": "shifts", "shear": "shears"}
_COLOURS = ("brightness", "contrast", "saturation", "hue")


def describe_recipe(train: dict[str, Any]) -> str:
    """Say how networks are trained, without what differs for single ones."""
    optimiser = train["optimiser"]
    parts = [f"{_OPTIMISERS.get(optimiser, optimiser)} with {_schedule(train)}"]
    if train["weight_decay"]:
        parts.append(f"weight decay {train['weight_decay']:g}")
    if train["label_smoothing"]:
        parts.append(f"label smoothing {train['label_smoothing']:g}")
    parts += _loss(train["loss"])
    if train["sampler"] != "none":
        parts.append(_SAMPLERS.get(train["sampler"], f"{train['sampler']} sampling"))
    if train["grad_clip"]:
        parts.append(f"gradients clipped at a norm of {train['grad_clip']:g}")
    if train["mixup"]:
        parts.append(f"mixup ({train['mixup']:g})")
    if train["ema"]:
        parts.append(f"an average of the weights (decay {train['ema']:g})")
    if train["start_from"]:
        parts.append("weights of a network that was trained before")
    if train["labels"]:
        parts.append(f"{train['labels']:,} of the labels")
    epochs = "epoch" if train["epochs"] == 1 else "epochs"
    whole = "" if train["drop_last"] else ", the last one smaller"
    parts.append(f"at most {train['epochs']} {epochs} in batches of {train['batch_size']}{whole}")
    return f"{', '.join(parts)}; {_augmentation(train['augmentation'])}"


def describe_kept(train: dict[str, Any]) -> str:
    """Say which epoch's weights are kept."""
    return _KEPT.get(train["keep"], train["keep"])


def _loss(loss: dict[str, Any]) -> list[str]:
    if loss["kind"] != "focal":
        own = ", ".join(f"{key} {loss[key]}" for key in LOSS_KEYS[loss["kind"]] if key in loss)
        return [f"the loss {loss['kind']}" + (f" ({own})" if own else "")]
    parts = [f"focal loss (gamma {loss['gamma']:g})"] if loss["gamma"] else []
    if loss["class_weights"] == "effective":
        scale = "" if loss.get("normalise", True) else ", not normalised"
        parts.append(f"class-balanced weights (beta {loss['beta']:g}{scale})")
    elif loss["class_weights"] != "none":
        parts.append("class weights")
    return parts


def _schedule(train: dict[str, Any]) -> str:
    rate, schedule = f"{train['learning_rate']:g}", train["schedule"]
    sentences = {
        "one_cycle": f"a one-cycle schedule (peak learning rate {rate})",
        "multi_step": f"a learning rate of {rate} that falls after given epochs",
        "plateau": f"a learning rate of {rate} that falls where the validation "
        f"{schedule.get('monitor', 'loss')} stays",
        "cosine": f"cosine schedules with restarts from a learning rate of {rate}",
        "constant": f"a constant learning rate of {rate}",
    }
    kind = schedule["kind"]
    return sentences.get(kind, f"the schedule {kind} from a learning rate of {rate}")


def _augmentation(augmentation: dict[str, Any]) -> str:
    used = [name for key, name in _GEOMETRY.items() if augmentation.get(key)]
    if augmentation["scale"] > 1:
        used.append("zooms")
    if tuple(augmentation.get("crop_area", (1, 1))) != (1, 1):
        used.append("resized crops")
    if augmentation.get("perspective"):
        used.append("perspectives")
    used += [f"changes of {colour}" for colour in _COLOURS if augmentation.get(colour)]
    if augmentation.get("noise"):
        used.append(f"photon noise that takes up to {100 * augmentation['noise']:.0f} % of the SNR")
    if not used:
        return "images as they are"
    how = "nearest pixels" if augmentation.get("interpolation") == "nearest" else ""
    if augmentation.get("fill") == "black":
        how += f"{how and ', '}black where they reach out of the image"
    return f"the same random {', '.join(used)}" + (f" ({how})" if how else "")
