package org.lexvla.model;

/**
 * How a model reads its backbones where their own files leave a choice.
 *
 * @param interpolation how the visual encoder brings its position embeddings to another size of pictures; null: as its own
 *                      {@code config.json} says
 * @param unknown       what is done about tensors that a backbone has no place for
 */
public record BackboneOptions(DinoV2Config.Interpolation interpolation, UnknownTensors unknown) {
    /** As the files say; unknown tensors are refused. */
    public static BackboneOptions standard() {
        return new BackboneOptions(null, UnknownTensors.REFUSE);
    }
}
