/**
 * Trains a {@link org.lexvla.model.LexVla} on captioned pictures: the losses of SPEC §6, the settings and the loop of SPEC §7,
 * and the stand-ins that take the place of pre-training where no pre-trained backbone is at hand.
 */
package org.lexvla.training;
